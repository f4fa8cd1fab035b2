/* SPDX-License-Identifier: ISC */
/* input: what a client of the JSON API said, checked against params.def.
 * Anything that is not in the table is an error that names it. */
#ifndef APP_INPUT_H
#define APP_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "app.h"
#include "format/json.h"

enum input_where { BODY, QUERY, PATH };
enum input_type {
	TEXT, PHONE, PARTY, INTEGER, BOOLEAN, CHOICE, OBJECT, URLS, TIME, ID
};

struct input_param {
	const char	*handler;
	enum input_where where;
	const char	*name;
	enum input_type	 type;
	bool		 required;
	long		 min, max;
	const char	*shape;
	const char	*doc;
};

extern const struct input_param	input_params[];
extern const size_t		input_count;

/* Reads query, path and, if json, body for this handler. ERR_INPUT with the
 * field at fault. */
MUST_CHECK bool	 input_read(struct request *, const char *handler, bool json,
		     struct err *);

/* The value, or NULL when it was not given: text as it is, PHONE in E.164,
 * OBJECT and URLS as JSON, the rest as written. */
const char	*input_text(const struct request *, const char *name);
long		 input_long(const struct request *, const char *name,
		     long fallback);
bool		 input_bool(const struct request *, const char *name);
const cJSON	*input_list(const struct request *, const char *name);

/* The query again, for a link to the next page, with another cursor. */
void		 input_link(const struct request *, const char *cursor,
		     struct buf *);

#endif
