/* SPDX-License-Identifier: ISC */
/* mem: everything one request or one recording allocates, freed as one.
 * Under AddressSanitizer each object is one malloc, so that it sees its bounds.
 * Allocation never returns NULL: running out of memory aborts the process
 * and the pool starts another (DESIGN: errors). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#define MUST_CHECK	__attribute__((__warn_unused_result__))
#define PRINTF_LIKE(f, a) __attribute__((__format__(__printf__, f, a)))
/* What leads there is kept away from the code that runs for each request. */
#define SELDOM		__attribute__((__cold__))
/* Which arguments say how large the object is, for FORTIFY to watch. */
#define SIZED_BY(...)	__attribute__((__alloc_size__(__VA_ARGS__)))

struct mem;

struct mem	*mem_new(void);		/* release with mem_free() */
void		 mem_free(struct mem *);	/* NULL is fine; runs the deferred
					   calls newest first */
/* Zeroed, both. */
void		*mem_get(struct mem *, size_t n) SIZED_BY(2);
void		*mem_array(struct mem *, size_t count, size_t size)
		     SIZED_BY(2, 3);
char		*mem_dup(struct mem *, const char *s);	/* NULL gives NULL */
char		*mem_dup_n(struct mem *, const void *s, size_t n); /* adds NUL */
char		*mem_printf(struct mem *, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Runs fn(arg) when the mem is freed: for what is not memory (PGresult,
 * cJSON, curl handles). */
void		 mem_defer(struct mem *, void (*fn)(void *), void *arg);

#endif
