/* SPDX-License-Identifier: ISC */
/* route: the rows of routes.def, for who dispatches by them and who
 * describes them. */
#ifndef APP_ROUTE_H
#define APP_ROUTE_H

#include "app.h"

enum route_auth { TWILIO, NONE, READ, SEND, WATCH };
enum route_body { BODY_NONE, BODY_FORM, BODY_JSON };

struct route {
	enum cfg_program  pool;
	const char	 *method, *path;
	enum route_auth	  auth;
	enum route_body	  body;
	size_t		  kb;
	const char	 *name;		/* of the handler, as in params.def */
	bool		(*handler)(struct app *, struct request *,
			    struct http_response *, struct err *);
	const char	 *answers;	/* statuses, blanks between */
	const char	 *doc;
};

extern const struct route	route_rows[];
extern const size_t		route_count;

#endif
