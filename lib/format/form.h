/* SPDX-License-Identifier: ISC */
/* form: decodes application/x-www-form-urlencoded bodies and query strings.
 * Pairs keep their order: Twilio's signature depends on every one of them.
 * Everything is allocated from the given mem and dies with it. */
#ifndef FORMAT_FORM_H
#define FORMAT_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

/* Limits, above anything Twilio sends; beyond them parsing fails with
 * ERR_TOO_LARGE (FAULTS T15). */
#define FORM_MAX_PAIRS		256
#define FORM_MAX_NAME_BYTES	64
#define FORM_MAX_VALUE_BYTES	16384

struct form_pair {
	const char	*name;		/* decoded bytes, NUL-terminated */
	size_t		 name_bytes;
	const char	*value;		/* decoded bytes, NUL-terminated; may
					   hold NUL and bad UTF-8 */
	size_t		 value_bytes;
	const char	*text;		/* value by text_to_utf8() */
};

struct form {
	struct form_pair	*pairs;		/* as they came */
	size_t			 count;
	const char		*signed_part;	/* see form_seal() */
	size_t			 signed_bytes;
	uint64_t		 names;		/* a bit for each, that of some
						   others, too; see form_get() */
};

/* '+' is a space; a bad %-escape stays as it is written; an empty body gives
 * an empty form; a pair without '=' has the empty value. */
MUST_CHECK bool	 form_parse(struct form **, struct mem *, const char *s,
		     size_t n, struct err *);

/* Makes the part of a form that Twilio signs: names and values one behind the
 * other, with nothing between them, sorted by the bytes of name, then value,
 * each distinct pair once; and what form_get() knows names by. form_parse() has
 * done it; who changes pairs does it again. */
void		 form_seal(struct form *, struct mem *);

/* That order, as qsort() takes it; 0: the same pair. */
int		 form_compare(const void *, const void *);

const char	*form_get(const struct form *, const char *name); /* first clean
		     text, or NULL when absent */
/* As form_get(), but NULL also when the value is empty. */
const char	*form_some(const struct form *, const char *name);

#endif
