/* SPDX-License-Identifier: ISC */
/* buf: a growing byte string with a cap. A failure (cap reached) sticks;
 * check buf_ok() once at the end. s is always NUL-terminated and never NULL
 * after buf_new(). Owned by its mem. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct buf {
	char		*s;
	size_t		 len;		/* bytes, without the NUL */
	size_t		 room;
	size_t		 cap;		/* bytes it may grow to */
	bool		 failed;
};

struct buf	*buf_new(struct mem *, size_t cap_bytes);
void		 buf_add(struct buf *, const void *s, size_t n);
void		 buf_str(struct buf *, const char *s);
void		 buf_chr(struct buf *, char c);
void		 buf_printf(struct buf *, const char *fmt, ...) PRINTF_LIKE(2, 3);
void		 buf_reset(struct buf *);	/* empty again, failure forgotten */
bool		 buf_ok(const struct buf *);

#endif
