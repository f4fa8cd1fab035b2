/* SPDX-License-Identifier: ISC */
/* err: why something failed, on the caller's stack, logged once at the top.
 * A function that can fail returns bool and takes a struct err * last:
 *	return err_set(e, ERR_INPUT, "limit: not a number");
 * err_set() always returns false. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

#include "base/mem.h"

/*	kind		HTTP	retry	what it means */
#define ERR_KINDS(X)							      \
	X(ERR_NONE,	200,	false,	"none")				      \
	X(ERR_INPUT,	400,	false,	"invalid_request")		      \
	X(ERR_AUTH,	401,	false,	"unauthorized")			      \
	X(ERR_FORBIDDEN, 403,	false,	"forbidden")			      \
	X(ERR_NOT_FOUND, 404,	false,	"not_found")			      \
	X(ERR_METHOD,	405,	false,	"method_not_allowed")		      \
	X(ERR_CONFLICT,	409,	false,	"conflict")			      \
	X(ERR_TOO_LARGE, 413,	false,	"too_large")			      \
	X(ERR_TYPE,	415,	false,	"unsupported_media_type")	      \
	X(ERR_UNPROCESSABLE, 422, false, "unprocessable")		      \
	X(ERR_LIMIT,	429,	true,	"too_many_requests")		      \
	X(ERR_SYSTEM,	500,	false,	"internal")			      \
	X(ERR_UPSTREAM,	502,	true,	"upstream")			      \
	X(ERR_DOWN,	503,	true,	"unavailable")			      \
	X(ERR_CONFIG,	500,	false,	"configuration")

enum err_kind {
#define X(kind, http, retry, code) kind,
	ERR_KINDS(X)
#undef X
};

struct err {
	enum err_kind	kind;
	long		retry_after_s;	/* what the other side asked; 0 none */
	char		code[32];	/* stable word, "" = the kind's own */
	char		field[32];	/* the input at fault, "" = none */
	char		text[512];	/* one sentence, no secret in it */
};

bool		 err_set(struct err *, enum err_kind, const char *fmt, ...)
		     PRINTF_LIKE(3, 4) SELDOM;
/* As err_set(), with the stable word and the field a client is told. */
bool		 err_field(struct err *, enum err_kind, const char *code,
		     const char *field, const char *fmt, ...) PRINTF_LIKE(5, 6)
		     SELDOM;
/* As err_set() with ERR_SYSTEM and errno's text behind it. */
bool		 err_sys(struct err *, const char *fmt, ...) PRINTF_LIKE(2, 3)
		     SELDOM;
void		 err_clear(struct err *);

int		 err_http(enum err_kind);
bool		 err_retryable(enum err_kind);
const char	*err_code(const struct err *);	/* its word, or the kind's */

#endif
