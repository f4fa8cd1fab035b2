/* SPDX-License-Identifier: ISC */
/* speech: transcription requests and what is believed of the answers. */
#include "domain/speech.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

#include "base/banned.h"

#define TRANSCRIBE_MS		300000
#define PROMPT_CHARS		600	/* Whisper uses the last 224 tokens */

/* What models differ in; the first prefix that fits counts. */
static const struct model {
	const char	*prefix;
	const char	*format;
	bool		 chunking;	/* wants chunking_strategy */
	bool		 prompt;	/* takes one */
	double		 max_seconds;
} models[] = {
	{ "gpt-4o-transcribe-diarize", "diarized_json", true, false, 1390 },
	{ "gpt-", "json", false, true, 1390 },
	{ "", "verbose_json", false, true, 0 },
};

static const struct model *
model_of(const char *name)
{
	const struct model *k = models;

	while (!text_starts(name, k->prefix))
		k++;
	return k;
}

double
speech_max_seconds(const char *model)
{
	return model_of(model)->max_seconds;
}

static const char *
tail(struct mem *m, const char *text)
{
	size_t n = strlen(text);

	if (n > PROMPT_CHARS) {
		text += n - PROMPT_CHARS;
		text += strcspn(text, " ");	/* never half a character */
	}
	return mem_dup(m, text);
}

void
speech_request(const struct cfg *cfg, struct mem *m, enum audio_kind kind,
    const struct audio_part *part, const char *previous_text,
    struct fetch_request *q)
{
	const struct model	*model = model_of(cfg->transcribe_model);
	struct fetch_part	*parts = mem_array(m, 8, sizeof(*parts));
	size_t			 n = 0;

	parts[n++] = (struct fetch_part){
		.name = "file",
		.file = part->body, .file_bytes = part->body_bytes,
		.file_head = part->head, .file_head_bytes = part->head_bytes,
		.filename = mem_printf(m, "recording%s", audio_suffix(kind)),
		.type = audio_mime(kind),
	};
	parts[n++] = (struct fetch_part){ .name = "model",
	    .text = cfg->transcribe_model };
	parts[n++] = (struct fetch_part){ .name = "response_format",
	    .text = model->format };
	if (model->chunking)
		parts[n++] = (struct fetch_part){ .name = "chunking_strategy",
		    .text = "auto" };
	if (cfg->transcribe_language != NULL)
		parts[n++] = (struct fetch_part){ .name = "language",
		    .text = cfg->transcribe_language };
	if (previous_text != NULL && *previous_text != '\0' && model->prompt)
		parts[n++] = (struct fetch_part){ .name = "prompt",
		    .text = tail(m, previous_text) };
	*q = (struct fetch_request){
		.method = "POST",
		.url = mem_printf(m, "%s/audio/transcriptions",
		    cfg->openai_base),
		.bearer = cfg->openai_key,
		.parts = parts,
		.connect_ms = 5000,
		.total_ms = TRANSCRIBE_MS,
		.cap_bytes = 8 * 1024 * 1024,
	};
}

/* Without blanks at both ends, inner runs of blanks as one. */
static const char *
tidy(struct mem *m, const char *s)
{
	char *out = mem_get(m, strlen(s) + 1), *p = out;

	for (; *s != '\0'; s++) {
		if (!isspace((unsigned char)*s))
			*p++ = *s;
		else if (p > out && p[-1] != ' ')
			*p++ = ' ';
	}
	if (p > out && p[-1] == ' ')
		p[-1] = '\0';
	return out;
}

/* "[BLANK_AUDIO]", "(engine revving)", "♪": a note about sound, not words. */
static bool
has_words(const char *text)
{
	int depth = 0;

	for (; *text != '\0'; text++) {
		if (*text == '[' || *text == '(')
			depth++;
		else if (*text == ']' || *text == ')')
			depth -= depth > 0;
		else if (depth == 0 && isalnum((unsigned char)*text))
			return true;
		else if (depth == 0 && (unsigned char)*text >= 0xc3 &&
		    (unsigned char)*text != 0xe2)
			return true;	/* letters beyond ASCII */
	}
	return false;
}

/* Whisper's own rule for a segment that only looks like words. */
static bool
is_imagined(const cJSON *segment)
{
	return json_number(segment, "no_speech_prob", 0) > 0.6 &&
	    json_number(segment, "avg_logprob", 0) < -1.0;
}

static void
add_segment(struct mem *m, cJSON *list, const cJSON *from, double start_s)
{
	static const char *const numbers[] = { "avg_logprob",
	    "no_speech_prob" };
	cJSON		*o = cJSON_CreateObject();
	const char	*speaker = json_text(from, "speaker");
	const char	*text = json_text(from, "text");

	json_add_number(o, "start", json_number(from, "start", 0) + start_s);
	json_add_number(o, "end", json_number(from, "end", 0) + start_s);
	if (speaker != NULL)
		json_add_text(o, "speaker", speaker);
	json_add_text(o, "text", tidy(m, text == NULL ? "" : text));
	for (size_t i = 0; i < 2; i++)
		if (json_get(from, numbers[i]) != NULL)
			json_add_number(o, numbers[i],
			    json_number(from, numbers[i], 0));
	(void)cJSON_AddItemToArray(list, o);
}

bool
speech_read(struct mem *m, const struct buf *body, double start_s,
    struct speech *s, struct err *e)
{
	const cJSON	*list, *segment;
	const char	*text;
	cJSON		*root;
	bool		 counted = false;

	*s = (struct speech){ .text = "", .segments = json_array(m) };
	if (!json_parse_trusted(&root, m, body->s, body->len, e)) {
		e->kind = ERR_UPSTREAM;
		return false;
	}
	if ((text = json_text(root, "text")) == NULL)
		return err_set(e, ERR_UPSTREAM,
		    "the transcription has no text");
	s->text = tidy(m, text);
	s->language = json_text(root, "language");
	s->seconds = json_number(root, "duration", 0);
	list = json_get(root, "segments");
	cJSON_ArrayForEach(segment, list) {
		add_segment(m, s->segments, segment, start_s);
		text = json_text(segment, "text");
		counted = true;
		if (text != NULL && has_words(text) && !is_imagined(segment))
			s->heard = true;
	}
	if (!counted)
		s->heard = has_words(s->text);
	return true;
}
