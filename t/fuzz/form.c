/* SPDX-License-Identifier: ISC */
/* Fuzzer of form_parse(): limits hold, names and texts are what the header
 * says.  clang -fsanitize=fuzzer,address,undefined, then e.g.
 *	fuzz-form -max_total_time=60 -max_len=70000 CORPUS */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool held)
{
	if (!held)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct mem		*m = mem_new();
	struct form		*f;
	struct form_pair	*p;
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
		must(p->name_bytes <= FORM_MAX_NAME_BYTES);
		must(p->value_bytes <= FORM_MAX_VALUE_BYTES);
		must(p->name[p->name_bytes] == '\0');
		must(p->value[p->value_bytes] == '\0');
		must(text_is_utf8(p->text, strlen(p->text)));
		if (strlen(p->name) == p->name_bytes)
			must(form_get(f, p->name) != NULL);
	}
	mem_free(m);
	return 0;
}
