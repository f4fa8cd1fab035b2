/* SPDX-License-Identifier: ISC */
/* buf: doubling growth up to the cap. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

static char empty[1];

static void
buf_release(void *arg)
{
	struct buf *b = arg;

	if (b->s != empty)
		free(b->s);
}

struct buf *
buf_new(struct mem *m, size_t cap_bytes)
{
	struct buf *b = mem_get(m, sizeof(*b));

	b->s = empty;
	b->cap = cap_bytes;
	mem_defer(m, buf_release, b);
	return b;
}

/* Makes room for n more bytes and the NUL. */
static bool
reserve(struct buf *b, size_t n)
{
	size_t	 room = b->room == 0 ? 256 : b->room;
	char	*s;

	if (b->failed || n > b->cap || b->len > b->cap - n) {
		b->failed = true;
		return false;
	}
	if (b->len + n < b->room)
		return true;
	while (room <= b->len + n)
		room *= 2;
	s = realloc(b->s == empty ? NULL : b->s, room);
	if (s == NULL)
		abort();
	b->s = s;
	b->room = room;
	return true;
}

void
buf_add(struct buf *b, const void *s, size_t n)
{
	if (n == 0 || !reserve(b, n))
		return;
	memcpy(b->s + b->len, s, n);
	b->len += n;
	b->s[b->len] = '\0';
}

void
buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_chr(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list	ap;
	int	n;

	if (!reserve(b, 0))
		return;
	/* Most of the time there is room for it. */
	va_start(ap, fmt);
	n = vsnprintf(b->s + b->len, b->room - b->len, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < b->room - b->len && (size_t)n <= b->cap -
	    b->len) {
		b->len += (size_t)n;
		return;
	}
	b->s[b->len] = '\0';
	if (n <= 0 || !reserve(b, (size_t)n))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->room != 0)
		b->s[0] = '\0';
}

bool
buf_ok(const struct buf *b)
{
	return !b->failed;
}
