/* SPDX-License-Identifier: ISC */
/* Fuzzer of analysis_read(): whatever a model answers, what is kept of it has
 * exactly the fields that were asked for, in the shapes that were asked for. */
#include "fuzz.h"

#include "base/text.h"
#include "domain/analysis.h"
#include "format/json.h"

static const char *const fields[] = { "summary", "key_points", "pain_points",
    "objections", "next_steps", "sentiment", "urgency", "model" };

static void
check_text(const cJSON *j)
{
	size_t chars = 0;

	must(cJSON_IsString(j));
	for (const char *p = j->valuestring; *p != '\0'; p++)
		chars += (*p & 0xc0) != 0x80;
	must(chars <= 4000);
}

static void
check_field(const cJSON *j, int which)
{
	const cJSON *item;

	if (which >= 1 && which <= 4) {
		must(cJSON_IsArray(j) && cJSON_GetArraySize(j) <= 50);
		cJSON_ArrayForEach(item, j)
			check_text(item);
	} else if (which < 7) {
		check_text(j);
		must(which != 5 || text_matches(j->valuestring,
		    "^(positive|neutral|negative|mixed)$"));
		must(which != 6 || text_matches(j->valuestring,
		    "^(low|medium|high)$"));
	} else {
		must(cJSON_IsString(j) || cJSON_IsNull(j));
	}
}

static void
check(struct mem *m, const char *s, size_t n)
{
	struct buf	*body = buf_new(m, SIZE_MAX / 4);
	const char	*text, *model;
	cJSON		*j;
	struct err	 e;

	err_clear(&e);
	buf_add(body, s, n);
	if (!analysis_read(m, body, &text, &model, &e)) {
		must(e.kind == ERR_UPSTREAM && e.text[0] != '\0');
		return;
	}
	must(json_parse_trusted(&j, m, text, strlen(text), &e));
	must(cJSON_GetArraySize(j) == 8);
	for (int i = 0; i < 8; i++)
		check_field(json_get(j, fields[i]), i);
}

/* As what a well-behaved server says the model has said. */
static const char *
envelope(struct mem *m, const char *content)
{
	cJSON	*root = json_object(m), *choices = cJSON_CreateArray();
	cJSON	*choice = cJSON_CreateObject(), *said = cJSON_CreateObject();

	json_add_text(said, "content", content);
	json_add(choice, "message", said);
	json_add_text(choice, "finish_reason", "stop");
	json_add(choices, NULL, choice);
	json_add(root, "choices", choices);
	json_add_text(root, "model", "m");
	return json_print(m, root);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct mem	*m = mem_new();
	const char	*s;

	check(m, (const char *)bytes, n);
	s = envelope(m, text_to_utf8(m, (const char *)bytes, n));
	check(m, s, strlen(s));
	mem_free(m);
	return 0;
}
