/* SPDX-License-Identifier: ISC */
/* json: cJSON behind a strict door. cJSON alone accepts trailing garbage, raw
 * control characters, bad UTF-8, \u0000, numbers beyond double and duplicate
 * keys (FAULTS M15, T14); json_parse() refuses them first. Values are owned
 * by the mem given. Getters never fail: a missing or mistyped member gives
 * the fallback, so that callers say what they want and validate it. */
#ifndef FORMAT_JSON_H
#define FORMAT_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

/* What a stranger may send. */
#define JSON_MAX_DEPTH		16
#define JSON_MAX_MEMBERS	256	/* in one object or array */

/* Parses exactly one JSON value (ERR_INPUT otherwise, saying at which byte,
 * counted from 0). Answers from a server we chose may be larger:
 * json_parse_trusted() lifts the member count (arrays of a long transcript),
 * not the other checks. */
MUST_CHECK bool	 json_parse(cJSON **, struct mem *, const char *s, size_t n,
		     struct err *);
MUST_CHECK bool	 json_parse_trusted(cJSON **, struct mem *, const char *s,
		     size_t n, struct err *);

/* A copy in which what json_parse() refuses in texts has become U+FFFD: bad
 * UTF-8, \u0000, half a pair of surrogates. For lists in which one text of a
 * stranger's must not hide all others. */
char		*json_mended(struct mem *, const char *s, size_t n);

cJSON		*json_object(struct mem *);	/* new, freed with the mem */
cJSON		*json_array(struct mem *);

const cJSON	*json_get(const cJSON *, const char *name);	/* or NULL */
const char	*json_text(const cJSON *, const char *name);	/* or NULL */
double		 json_number(const cJSON *, const char *name, double fallback);

/* Into an array the name is NULL. NULL text adds JSON null. Text must be
 * UTF-8. Running out of memory aborts. */
void		 json_add_text(cJSON *, const char *name, const char *text);
void		 json_add_number(cJSON *, const char *name, double);
void		 json_add_bool(cJSON *, const char *name, bool);
void		 json_add(cJSON *, const char *name, cJSON *value); /* takes it;
		     value must not be owned by a mem (cJSON_Create…) */

/* Compact text, owned by the mem. */
char		*json_print(struct mem *, const cJSON *);

#endif
