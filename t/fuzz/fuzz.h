/* SPDX-License-Identifier: ISC */
/* fuzz: what every fuzzer here is made of: one function that libFuzzer calls
 * with bytes (t/fuzz/run), and must(), which says what holds for all bytes.
 * Also the means to build an input of several parts from them. */
#ifndef T_FUZZ_FUZZ_H
#define T_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static inline void
must_hold(bool held, const char *what, int line)
{
	if (held)
		return;
	(void)fprintf(stderr, "broken promise, line %d: %s\n", line, what);
	abort();
}

#define must(held)	must_hold((held), #held, __LINE__)

/* What is left of an input. */
struct rest {
	const char	*s;
	size_t		 n;
};

/* Its first line without the newline, as text: up to a NUL. */
static inline char *
rest_line(struct mem *m, struct rest *r)
{
	const char	*end = r->n == 0 ? NULL : memchr(r->s, '\n', r->n);
	size_t		 k = end == NULL ? r->n : (size_t)(end - r->s);
	char		*line = mem_dup_n(m, r->s, k);

	k += end != NULL;
	r->s += k;
	r->n -= k;
	return line;
}

#endif
