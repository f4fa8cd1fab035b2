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
	must(bsearch(p, f->sorted, f->count, sizeof(*p), form_compare) !=
	    NULL);
	if (strlen(p->name) == p->name_bytes)
		must(form_get(f, p->name) != NULL);
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
	for (size_t i = 0; i < f->count; i++) {
		p = &f->pairs[i];
		check_pair(f, p);
		must(i == 0 || form_compare(&f->sorted[i - 1],
		    &f->sorted[i]) <= 0);
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
