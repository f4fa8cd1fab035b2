/* SPDX-License-Identifier: ISC */
/* kept: a request as nginx leaves it in a file while no worker answers: URI,
 * a newline, signature, a newline, body, a newline (ringback_fallback in
 * nginx/ringback.conf). Nothing in it has been checked by anybody. */
#ifndef FORMAT_KEPT_H
#define FORMAT_KEPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

struct kept {
	const char	*uri;		/* as on the request line */
	const char	*signature;	/* "" when there was none */
	const char	*body;		/* raw bytes */
	size_t		 body_bytes;
};

/* ERR_INPUT: the file is cut short, or a line of it holds a NUL. */
MUST_CHECK bool	 kept_parse(struct kept *, struct mem *, const char *,
		     size_t n, struct err *);

#endif
