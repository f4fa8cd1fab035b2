/* SPDX-License-Identifier: ISC */
/* mem: what is allocated together goes together, newest first. */
#include "base/mem.h"

#include <stdint.h>
#include <string.h>

#include "tap.h"

static char		 order[8];
static struct mem	*dying, *starving;

static void
note(void *arg)
{
	char *s = arg;

	order[strlen(order)] = *s;
}

/* Allocates and defers while the mem is being freed. */
static void
late(void *arg)
{
	char *s = mem_dup(dying, arg);

	mem_defer(dying, note, s);
}

/* What the compiler must not see. */
static volatile size_t	half = SIZE_MAX / 2, nearly = SIZE_MAX - 4, ten = 10;

static void
too_many(void)
{
	(void)mem_array(starving, half, 3);
}

static void
too_large(void)
{
	(void)mem_get(starving, nearly);
}

static void
too_far(void)
{
	char *s = mem_get(starving, ten);

	memset(s, 'x', ten + 1);
	starving = s[0] == 'x' ? NULL : starving;
}

int
main(void)
{
	struct mem	*m = mem_new();
	char		*p, *q;
	long		*list;
	bool		 zero = true;

	p = mem_get(m, 1000);
	for (int i = 0; i < 1000; i++)
		zero = zero && p[i] == 0;
	tap_ok(zero, "mem_get: zeroed");
	tap_ok((uintptr_t)p % _Alignof(max_align_t) == 0, "mem_get: aligned");
	memset(p, 'x', 1000);

	list = mem_array(m, 100, sizeof(*list));
	zero = true;
	for (int i = 0; i < 100; i++)
		zero = zero && list[i] == 0;
	tap_ok(zero, "mem_array: zeroed");
	tap_ok(mem_array(m, 0, 8) != NULL && mem_get(m, 0) != NULL,
	    "nothing at all is an object too");

	tap_is(mem_dup(m, "abc"), "abc", "mem_dup");
	tap_ok(mem_dup(m, NULL) == NULL, "mem_dup: NULL gives NULL");
	q = mem_dup_n(m, "ab\0cd", 5);
	tap_ok(memcmp(q, "ab\0cd", 6) == 0, "mem_dup_n: NUL inside and behind");
	tap_is(mem_dup_n(m, NULL, 0), "", "mem_dup_n: nothing");
	tap_is(mem_printf(m, "%s-%d", "a", 7), "a-7", "mem_printf");
	q = mem_printf(m, "%3000d", 1);
	tap_ok(strlen(q) == 3000, "mem_printf: as long as it takes");

	mem_defer(m, note, mem_dup(m, "1"));
	mem_defer(m, note, mem_dup(m, "2"));
	mem_defer(m, note, mem_dup(m, "3"));
	mem_free(m);
	tap_is(order, "321", "deferred calls run newest first, on live memory");

	memset(order, 0, sizeof(order));
	m = dying = mem_new();
	mem_defer(m, note, mem_dup(m, "1"));
	mem_defer(m, late, mem_dup(m, "2"));
	mem_free(m);
	tap_is(order, "21", "a deferred call may allocate and defer");

	mem_free(NULL);
	tap_ok(true, "mem_free(NULL) is fine");
	starving = mem_new();
	tap_aborts(too_many, "count * size beyond size_t aborts");
	tap_aborts(too_large, "a size beyond size_t aborts");
#if __USE_FORTIFY_LEVEL > 2
	tap_aborts(too_far, "writing past an object's end aborts");
#else
	(void)too_far;
	tap_ok(true, "FORTIFY is below 3: nothing watches for more");
#endif
	mem_free(starving);
	return tap_done();
}
