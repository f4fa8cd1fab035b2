/* SPDX-License-Identifier: ISC */
/* app: what a handler gets and gives. By the time a handler runs, its row in
 * routes.def has been enforced: method, size, media type, signature. A
 * handler decodes, does, answers, and owns nothing: all of a request's memory
 * goes when it is over. */
#ifndef APP_APP_H
#define APP_APP_H

#include <stdbool.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/store.h"
#include "edge/http.h"
#include "format/form.h"

struct app {
	const struct cfg	*cfg;
	struct store		*store;
	enum cfg_program	 pool;
};

struct request {
	struct http_request	 http;
	struct mem		*m;
	struct form		*form;		/* body FORM */
	bool			 verified;	/* auth TWILIO: signature good */
	const char		*sid;		/* for the log line, or NULL */
	const char		*kept;		/* where the event went, ditto */
};

/* Finds the row, enforces it, runs the handler. A failure is in err; the
 * response is then not to be used. */
MUST_CHECK bool	 route_serve(struct app *, struct request *,
		     struct http_response *, struct err *);

/* Makes the webhook durable: in the database, or else in the spool. ERR_DOWN
 * when neither took it; nginx then keeps the request (voice and sms) or
 * Twilio sends it again. */
MUST_CHECK bool	 intake(struct app *, struct request *, struct err *);

#define ROUTE(pool, method, path, auth, body, kb, handler, doc)		      \
	bool handler(struct app *, struct request *, struct http_response *,  \
	    struct err *);
#include "routes.def"
#undef ROUTE

#endif
