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

struct mem {
	struct link	*newest;
};

static void *
checked(void *p)
{
	if (p == NULL)
		abort();
	return p;
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

struct mem *
mem_new(void)
{
	return checked(calloc(1, sizeof(struct mem)));
}

void
mem_free(struct mem *m)
{
	struct link *l;

	if (m == NULL)
		return;
	while ((l = m->newest) != NULL) {
		m->newest = l->next;
		if (l->fn != NULL)
			l->fn(l->arg);
		free(l);
	}
	free(m);
}

void *
mem_get(struct mem *m, size_t n)
{
	return push(m, n)->object;
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
	char	*p;
	int	 n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	p = mem_get(m, (size_t)n + 1);
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void
mem_defer(struct mem *m, void (*fn)(void *), void *arg)
{
	struct link *l = push(m, 0);

	l->fn = fn;
	l->arg = arg;
}
