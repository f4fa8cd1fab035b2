/* SPDX-License-Identifier: ISC */
/* codes: what Twilio's error codes mean to a person.
 * Source: twilio.com/docs/api/errors (the codes; the sentences are ours). */
#ifndef FORMAT_CODES_H
#define FORMAT_CODES_H

const char	*codes_sentence(long code);	/* NULL when not in the table */

#endif
