/* SPDX-License-Identifier: ISC */
/* Fuzzer of sign_check(): input is header LF URL LF form. A stranger's header
 * never passes, nor does ours with a byte of the form changed; our own does,
 * in whatever order the form is, and over the other spelling of a quote. */
#include "fuzz.h"

#include "format/sign.h"

#define TOKEN	"b1c6f5a0e2d94738"

/* The same pairs from last to first. */
static struct form *
turned(struct mem *m, const struct form *f)
{
	struct form *g = mem_get(m, sizeof(*g));

	g->count = f->count;
	g->pairs = mem_array(m, f->count, sizeof(*g->pairs));
	for (size_t i = 0; i < f->count; i++)
		g->pairs[i] = f->pairs[f->count - 1 - i];
	form_seal(g, m);
	return g;
}

/* A pair that is there twice counts once, so one of the two may change. */
static bool
has_twins(const struct form *f)
{
	for (size_t i = 1; i < f->count; i++)
		for (size_t k = 0; k < i; k++)
			if (form_compare(&f->pairs[i], &f->pairs[k]) == 0)
				return true;
	return false;
}

/* One byte of one value is another. */
static bool
tamper(struct mem *m, struct form *f, size_t which)
{
	struct form_pair	*p;
	char			*copy;

	if (f->count == 0 || has_twins(f))
		return false;
	p = &f->pairs[which % f->count];
	if (p->value_bytes == 0)
		return false;
	copy = mem_dup_n(m, p->value, p->value_bytes);
	copy[which % p->value_bytes] ^= 1;
	p->value = copy;
	form_seal(f, m);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct rest	 r = { (const char *)bytes, n };
	struct mem	*m = mem_new();
	char		*header = rest_line(m, &r), *url = rest_line(m, &r);
	char		*mac, *query = strchr(url, '?'), *quote;
	struct form	*f = NULL, *g;
	struct err	 e;
	bool		 hashed = strstr(url, "bodySHA256=") != NULL;

	if (!form_parse(&f, m, r.s, r.n, &e))
		f = NULL;
	mac = sign_make(m, TOKEN, url, f);
	must(strlen(mac) == 28);
	if (strcmp(header, mac) != 0)
		(void)sign_check(header, TOKEN, url, f, r.s, r.n);
	if (!hashed)
		must(sign_check(mac, TOKEN, url, f, NULL, 0) == SIGN_EXACT);
	if (!hashed && f != NULL) {
		g = turned(m, f);
		must(sign_check(mac, TOKEN, url, g, NULL, 0) == SIGN_EXACT);
		if (tamper(m, g, n))
			must(sign_check(mac, TOKEN, url, g, NULL, 0) ==
			    SIGN_BAD);
	}
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
