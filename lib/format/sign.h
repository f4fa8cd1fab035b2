/* SPDX-License-Identifier: ISC */
/* sign: X-Twilio-Signature, made and checked.
 * Source: twilio.com/docs/usage/security and the official helper libraries:
 * base64(HMAC-SHA1(AuthToken, URL + for each form key in byte order: key +
 * value)); a key that repeats contributes its distinct values, sorted. */
#ifndef FORMAT_SIGN_H
#define FORMAT_SIGN_H

#include <stdbool.h>

#include "base/mem.h"
#include "format/form.h"

/* The signature of exactly this URL but for its #fragment, which Twilio keeps
 * to itself; 28 characters. form may be NULL. */
char	*sign_make(struct mem *, const char *token, const char *url,
	    const struct form *);

/* What was wrong, or which spelling of the URL matched. */
enum sign_result {
	SIGN_BAD,		/* none matched */
	SIGN_EXACT,		/* the URL as given */
	SIGN_NO_PORT,		/* Twilio signs https voice without the port */
	SIGN_DEFAULT_PORT,	/* ":443" or ":80" added */
	SIGN_ESCAPED,		/* ' @ : in the query escaped otherwise */
};

/* Checks a header (NULL or malformed: SIGN_BAD) against the token and every
 * spelling of url that Twilio is known to sign, in constant time; at most 8
 * are tried. When the URL carries bodySHA256 the form must be NULL and the
 * hash must be that of body; otherwise body may be NULL. Fails closed: an
 * empty token is SIGN_BAD, so is a body that neither form nor hash covers. */
enum sign_result sign_check(const char *header, const char *token,
	    const char *url, const struct form *, const void *body,
	    size_t body_bytes);

#endif
