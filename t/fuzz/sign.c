/* SPDX-License-Identifier: ISC */
/* Fuzzer of sign_check(): input is header LF URL LF form. A stranger's header
 * never passes; our own does, also over the other spelling of a quote.
 *	fuzz-sign -max_total_time=60 CORPUS */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/sign.h"

#define TOKEN	"b1c6f5a0e2d94738"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool held)
{
	if (!held)
		abort();
}

/* The first line, taken from *s. */
static char *
line(struct mem *m, const char **s, size_t *n)
{
	const char	*end = *n == 0 ? NULL : memchr(*s, '\n', *n);
	size_t		 k = end == NULL ? *n : (size_t)(end - *s);
	char		*copy = mem_dup_n(m, *s, k);

	if (end != NULL)
		k++;
	*s += k;
	*n -= k;
	return copy;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	const char	*s = (const char *)bytes;
	struct mem	*m = mem_new();
	char		*header = line(m, &s, &n), *url = line(m, &s, &n), *mac;
	struct form	*f = NULL;
	struct err	 e;
	char		*query = strchr(url, '?'), *quote;
	bool		 hashed = strstr(url, "bodySHA256=") != NULL;

	if (!form_parse(&f, m, s, n, &e))
		f = NULL;
	mac = sign_make(m, TOKEN, url, f);
	must(strlen(mac) == 28);
	if (strcmp(header, mac) != 0)
		(void)sign_check(header, TOKEN, url, f, s, n);
	if (!hashed)
		must(sign_check(mac, TOKEN, url, f, NULL, 0) == SIGN_EXACT);
	mac[n % 27] = mac[n % 27] == 'A' ? 'B' : 'A';
	must(sign_check(mac, TOKEN, url, f, NULL, 0) == SIGN_BAD);

	/* One quote in the query, signed plain, sent escaped. */
	quote = query == NULL ? NULL : strchr(query, '\'');
	if (quote != NULL && !hashed && strpbrk(url, "#%@:") == NULL &&
	    strchr(quote + 1, '\'') == NULL) {
		mac = sign_make(m, TOKEN, url, f);
		url = mem_printf(m, "%.*s%%27%s", (int)(quote - url), url,
		    quote + 1);
		must(sign_check(mac, TOKEN, url, f, NULL, 0) == SIGN_ESCAPED);
	}
	mem_free(m);
	return 0;
}
