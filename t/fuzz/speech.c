/* SPDX-License-Identifier: ISC */
/* Fuzzer of speech_read(): whatever a transcription server answers, the text
 * is tidy UTF-8 and the segments are as many as came, with nothing in them
 * that nobody asked for. */
#include "fuzz.h"

#include "base/text.h"
#include "domain/speech.h"

static const char *const members[] = { "start", "end", "speaker", "text",
    "avg_logprob", "no_speech_prob" };

static void
check_tidy(const char *s)
{
	must(text_is_utf8(s, strlen(s)));
	must(strpbrk(s, "\t\n\v\f\r") == NULL && strstr(s, "  ") == NULL);
	must(s[0] != ' ' && !text_ends(s, " "));
}

static void
check_segment(const cJSON *j)
{
	const cJSON	*item;
	bool		 known;

	check_tidy(json_text(j, "text"));
	must(cJSON_IsNumber(json_get(j, "start")));
	must(cJSON_IsNumber(json_get(j, "end")));
	cJSON_ArrayForEach(item, j) {
		known = false;
		for (size_t i = 0; i < 6; i++)
			known = known || strcmp(item->string, members[i]) == 0;
		must(known);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct mem	*m = mem_new();
	struct buf	*body = buf_new(m, SIZE_MAX / 4);
	struct speech	 s;
	struct err	 e;
	const cJSON	*item;
	cJSON		*j;

	err_clear(&e);
	buf_add(body, bytes, n);
	if (!speech_read(m, body, 90.5, &s, &e)) {
		must(e.kind == ERR_UPSTREAM && e.text[0] != '\0');
		mem_free(m);
		return 0;
	}
	check_tidy(s.text);
	must(s.language == NULL || text_is_utf8(s.language,
	    strlen(s.language)));
	must(json_parse_trusted(&j, m, body->s, body->len, &e));
	must(cJSON_GetArraySize(s.segments) ==
	    cJSON_GetArraySize(json_get(j, "segments")));
	cJSON_ArrayForEach(item, s.segments)
		check_segment(item);
	j = s.segments;
	must(json_parse_trusted(&j, m, json_print(m, j),
	    strlen(json_print(m, s.segments)), &e));
	mem_free(m);
	return 0;
}
