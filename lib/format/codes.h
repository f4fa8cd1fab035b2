/* SPDX-License-Identifier: ISC */
/* codes: what Twilio's error codes mean to a person.
 * Source: twilio.com/docs/api/errors (the codes; the sentences are ours). */
#ifndef FORMAT_CODES_H
#define FORMAT_CODES_H

/* Both NULL when the code is not in the table. */
const char	*codes_sentence(long code);
/* The field of our API (params.def) that is to blame, NULL if it is not one. */
const char	*codes_field(long code);

#endif
