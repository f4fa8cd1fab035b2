/* SPDX-License-Identifier: ISC */
/* Fuzzer of json_parse(): what passes the door cJSON takes (or json_parse()
 * aborts), prints, and takes again as the same.
 *	fuzz-json -max_total_time=60 CORPUS */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/json.h"

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
	const char	*s = (const char *)bytes;
	struct mem	*m = mem_new();
	struct err	 e;
	cJSON		*j, *again;
	char		*text;
	bool		 trusted;

	err_clear(&e);
	trusted = json_parse_trusted(&j, m, s, n, &e);
	if (!trusted)
		must(e.kind == ERR_INPUT && strncmp(e.text, "JSON: ", 6) == 0);
	if (json_parse(&again, m, s, n, &e))
		must(trusted);
	if (trusted) {
		text = json_print(m, j);
		must(text_is_utf8(text, strlen(text)));
		must(json_parse_trusted(&again, m, text, strlen(text), &e));
		must(cJSON_Compare(j, again, true));
	}
	mem_free(m);
	return 0;
}
