/* SPDX-License-Identifier: ISC */
/* Fuzzer of kept_parse(): what is read is all that the file holds, and half a
 * file is refused. */
#include "fuzz.h"

#include "format/kept.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct mem	*m = mem_new();
	struct buf	*again = buf_new(m, SIZE_MAX / 4);
	struct kept	 k, half;
	struct err	 e;

	err_clear(&e);
	if (!kept_parse(&k, m, (const char *)bytes, n, &e)) {
		must(e.kind == ERR_INPUT);
		mem_free(m);
		return 0;
	}
	buf_printf(again, "%s\n%s\n", k.uri, k.signature);
	buf_add(again, k.body, k.body_bytes);
	buf_chr(again, '\n');
	must(again->len == n && memcmp(again->s, bytes, n) == 0);
	for (size_t i = n - 1; i > 0 && bytes[i - 1] != '\n'; i--)
		must(!kept_parse(&half, m, (const char *)bytes, i, &e));
	mem_free(m);
	return 0;
}
