/* SPDX-License-Identifier: ISC */
/* mem: a list of malloc'ed objects and deferred calls. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

struct link {
	struct link	 *next;
	void		(*fn)(void *);	/* NULL: the object follows the link */
	void		 *arg;
	max_align_t	  object[];
};

/* Small objects come out of blocks, one or two for a request, so that they
 * cost no malloc() each; but where AddressSanitizer watches, for it sees the
 * bounds of what malloc() gave. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)	/* clang's word for gcc's */
#define __SANITIZE_ADDRESS__	1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SMALL_BYTES	0
#else
#define SMALL_BYTES	2048
#endif
#define BLOCK_BYTES	8192

struct block {
	struct block	*next;
	max_align_t	 room[BLOCK_BYTES / sizeof(max_align_t)];
};

struct mem {
	struct link	*newest;
	struct block	*blocks;
	size_t		 used;		/* of the first block */
};

/* The next request takes them up: its own, and that of what it does in one of
 * its own on the way. */
#define SPARES		2
static struct block	*spare;
static unsigned		 spares;

static void *
checked(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

#define ROUNDED(n)	(((n) + sizeof(max_align_t) - 1) & \
			~(sizeof(max_align_t) - 1))

static struct block *
take_block(void)
{
	struct block *b = spare;

	if (b == NULL)
		return checked(malloc(sizeof(*b)));
	spare = b->next;
	spares--;
	return b;
}

static void
put_back(struct block *b)
{
	if (spares == SPARES) {
		free(b);
		return;
	}
	b->next = spare;
	spare = b;
	spares++;
}

static void *
small(struct mem *m, size_t n)
{
	struct block	*b = m->blocks;
	char		*p;

	n = ROUNDED(n);
	if (m->used + n > sizeof(b->room)) {
		b = take_block();
		b->next = m->blocks;
		m->blocks = b;
		m->used = 0;
	}
	p = (char *)b->room + m->used;
	m->used += n;
	return memset(p, 0, n);
}

static struct link *
push(struct mem *m, size_t n)
{
	struct link *l;

	if (n > SIZE_MAX - sizeof(*l))
		abort();
	l = checked(calloc(1, sizeof(*l) + n));
	l->next = m->newest;
	m->newest = l;
	return l;
}

/* It lies in its first block, too: there is hardly one that needs none. */
struct mem *
mem_new(void)
{
	struct block	*b;
	struct mem	*m;

	if (SMALL_BYTES == 0)
		return checked(calloc(1, sizeof(*m)));
	b = take_block();
	b->next = NULL;
	m = (void *)b->room;
	m->newest = NULL;
	m->blocks = b;
	m->used = ROUNDED(sizeof(*m));
	return m;
}

void
mem_free(struct mem *m)
{
	struct link	*l;
	struct block	*b, *next;

	if (m == NULL)
		return;
	while ((l = m->newest) != NULL) {
		m->newest = l->next;
		if (l->fn != NULL)
			l->fn(l->arg);
		if (l->fn == NULL || SMALL_BYTES == 0)
			free(l);
	}
	b = m->blocks;
	if (SMALL_BYTES == 0)
		free(m);	/* else it goes with its block */
	for (; b != NULL; b = next) {
		next = b->next;
		put_back(b);
	}
}

void *
mem_get(struct mem *m, size_t n)
{
	return n <= SMALL_BYTES && SMALL_BYTES != 0 ? small(m, n) :
	    push(m, n)->object;
}

void *
mem_array(struct mem *m, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		abort();
	return mem_get(m, count * size);
}

char *
mem_dup_n(struct mem *m, const void *s, size_t n)
{
	char *p = mem_get(m, n + 1);

	if (n != 0)
		memcpy(p, s, n);
	return p;
}

char *
mem_dup(struct mem *m, const char *s)
{
	return s == NULL ? NULL : mem_dup_n(m, s, strlen(s));
}

char *
mem_printf(struct mem *m, const char *fmt, ...)
{
	va_list	 ap;
	char	 small[256], *p;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	if ((size_t)n < sizeof(small))
		return mem_dup_n(m, small, (size_t)n);
	p = mem_get(m, (size_t)n + 1);
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void
mem_defer(struct mem *m, void (*fn)(void *), void *arg)
{
	struct link *l;

	if (SMALL_BYTES == 0) {
		l = push(m, 0);
	} else {
		l = small(m, sizeof(*l));
		l->next = m->newest;
		m->newest = l;
	}
	l->fn = fn;
	l->arg = arg;
}
