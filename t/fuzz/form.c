/* SPDX-License-Identifier: ISC */
/* Fuzzer of form_parse(): limits hold, names and texts are what the header
 * says, and what was decoded, encoded again, is the same form. */
#include "fuzz.h"

#include "base/text.h"
#include "format/form.h"

static void
encode(struct buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, i % 2 == 0 ? "%%%02x" : "%%%02X",
		    (unsigned)(unsigned char)s[i]);
}

static void
check_pair(const struct form *f, const struct form_pair *p)
{
	must(p->name_bytes <= FORM_MAX_NAME_BYTES);
	must(p->value_bytes <= FORM_MAX_VALUE_BYTES);
	must(p->name[p->name_bytes] == '\0');
	must(p->value[p->value_bytes] == '\0');
	must(text_is_utf8(p->text, strlen(p->text)));
	if (text_is_utf8(p->value, p->value_bytes))
		must(strcmp(p->text, p->value) == 0);
	if (strlen(p->name) == p->name_bytes)
		must(form_get(f, p->name) != NULL);
}

/* What is signed is every distinct pair once, in order; and that of the same
 * pairs from last to first is the same. */
static void
check_signed_part(struct mem *m, const struct form *f)
{
	struct form	 g = { .count = f->count };
	struct buf	*want = buf_new(m, SIZE_MAX / 4);

	g.pairs = mem_array(m, f->count, sizeof(*g.pairs));
	for (size_t i = 0; i < f->count; i++)
		g.pairs[i] = f->pairs[f->count - 1 - i];
	form_seal(&g, m);
	must(g.signed_bytes == f->signed_bytes);
	must(memcmp(g.signed_part, f->signed_part, g.signed_bytes) == 0);
	qsort(g.pairs, g.count, sizeof(*g.pairs), form_compare);
	for (size_t i = 0; i < g.count; i++) {
		if (i > 0 && form_compare(&g.pairs[i - 1], &g.pairs[i]) == 0)
			continue;
		buf_add(want, g.pairs[i].name, g.pairs[i].name_bytes);
		buf_add(want, g.pairs[i].value, g.pairs[i].value_bytes);
	}
	must(want->len == f->signed_bytes);
	must(memcmp(want->s, f->signed_part, want->len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct mem		*m = mem_new();
	struct buf		*again = buf_new(m, SIZE_MAX / 4);
	struct form		*f, *g;
	struct form_pair	*p, *q;
	struct err		 e;

	err_clear(&e);
	if (!form_parse(&f, m, (const char *)bytes, n, &e)) {
		must(e.kind == ERR_TOO_LARGE);
		mem_free(m);
		return 0;
	}
	must(f->count <= FORM_MAX_PAIRS);
	check_signed_part(m, f);
	for (size_t i = 0; i < f->count; i++) {
		p = &f->pairs[i];
		check_pair(f, p);
		encode(again, p->name, p->name_bytes);
		buf_chr(again, '=');
		encode(again, p->value, p->value_bytes);
		buf_chr(again, '&');
	}
	must(form_parse(&g, m, again->s, again->len, &e));
	must(g->count == f->count);
	for (size_t i = 0; i < f->count; i++) {
		p = &f->pairs[i];
		q = &g->pairs[i];
		must(p->name_bytes == q->name_bytes &&
		    memcmp(p->name, q->name, p->name_bytes) == 0);
		must(p->value_bytes == q->value_bytes &&
		    memcmp(p->value, q->value, p->value_bytes) == 0);
	}
	mem_free(m);
	return 0;
}
