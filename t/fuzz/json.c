/* SPDX-License-Identifier: ISC */
/* Fuzzer of json_parse(): what passes the door cJSON takes (or json_parse()
 * aborts), is as small and as flat as promised, prints, and reads again as
 * the same. */
#include "fuzz.h"

#include "base/text.h"
#include "format/json.h"

static void
check_shape(const cJSON *j, int depth, int max_members)
{
	const cJSON *item;

	must(depth < JSON_MAX_DEPTH || !(cJSON_IsArray(j) ||
	    cJSON_IsObject(j)));
	must(cJSON_GetArraySize(j) <= max_members);
	if (cJSON_IsString(j))
		must(text_is_utf8(j->valuestring, strlen(j->valuestring)));
	cJSON_ArrayForEach(item, j) {
		if (cJSON_IsObject(j))
			must(text_is_utf8(item->string,
			    strlen(item->string)) &&
			    json_get(j, item->string) == item);
		check_shape(item, depth + 1, max_members);
	}
}

/* Would cut the string it stands in, without a word. */
static bool
escapes_nul(const char *s, size_t n)
{
	for (size_t i = 0; i + 6 <= n; i++)
		if (s[i] == '\\' && memcmp(s + i++, "\\u0000", 6) == 0)
			return true;
	return false;
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
	if (json_parse(&again, m, s, n, &e)) {
		must(trusted);
		check_shape(again, 0, JSON_MAX_MEMBERS);
	}
	if (trusted) {
		must(memchr(s, '\0', n) == NULL && !escapes_nul(s, n));
		check_shape(j, 0, INT32_MAX);
		text = json_print(m, j);
		must(text_is_utf8(text, strlen(text)));
		must(json_parse_trusted(&again, m, text, strlen(text), &e));
		must(cJSON_Compare(j, again, true));
	}
	mem_free(m);
	return 0;
}
