/* SPDX-License-Identifier: ISC */
/* codes: what Twilio's error codes mean to a person.
 * Source: twilio.com/docs/api/errors (the codes; the sentences are ours). */
#ifndef FORMAT_CODES_H
#define FORMAT_CODES_H

#include "base/mem.h"

/* A sentence; for a code that is not in the table, where to look it up. */
const char	*codes_sentence(struct mem *, long code);
/* The field of our API (params.def) that is to blame, NULL if it is not one. */
const char	*codes_field(long code);

#endif
