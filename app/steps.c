/* SPDX-License-Identifier: ISC */
/* steps: fetch the media, transcribe, store, analyse, store. Each is a
 * request whose answer calls the next function. What is in the database after
 * a step is never done, nor paid for, again. */
#include "job.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "domain/analysis.h"
#include "domain/speech.h"
#include "domain/twilio.h"

#include "base/banned.h"

#define MEDIA_WAIT_S	(15 * 60)	/* media may appear this late */
#define MAX_ASKS	3		/* of the analyst, in one attempt */
#define MULTIPART_BYTES	8192		/* of a request around its file */

static bool	next_part(struct job *);
static void	send_part(struct job *);

static bool
on_transcript(void *arg, const struct stored *st)
{
	struct job	*j = arg;
	bool		 again;

	if (!job_stored(j, st, true, &again))
		return again;
	j->bill = (struct bill){ .id = st->next };
	j->transcript = j->heard ? j->text->s : "";
	if (st->next != NULL) {
		job_analyse(j);
	} else if (j->heard) {
		job_set_back(j, SETTING, 0, j->s->pauses[ANALYST].why);
	} else {
		j->s->silent++;
		job_finish(j, "no speech in it", NULL);
	}
	return false;
}

/* Checkpoint one. The analysis follows if there is anything to analyse. */
static void
keep_transcript(struct job *j, const char *nothing)
{
	const struct transcript t = {
		.text = j->heard ? j->text->s : "",
		.language = j->language,
		.model = nothing == NULL ? j->s->cfg->transcribe_model : NULL,
		.segments = json_print(j->m, j->segments),
		.metadata = nothing == NULL && j->heard ? "{}" :
		    mem_printf(j->m, "{\"speech\":\"%s\"}",
		    nothing == NULL ? "none heard" : nothing),
		.filename = mem_printf(j->m, "%s%s", j->c.recording_sid,
		    audio_suffix(j->audio.kind)),
		.file_url = mem_printf(j->m, "%s/2010-04-01/Accounts/%s/"
		    "Recordings/%s", j->s->cfg->twilio_base, j->account.sid,
		    j->c.recording_sid),
		.seconds = lround(j->audio.seconds),
		.analyse = j->heard,
		.at_once = j->heard && !service_asleep(j->s, ANALYST),
	};

	work_transcribed(t.analyse ? job_store(j) : job_store_last(j), j->m,
	    &j->c, &t, &j->bill, on_transcript, j);
}

static bool
on_part(void *arg, const struct stored *st)
{
	struct job	*j = arg;
	bool		 again;

	if (!job_stored(j, st, true, &again))
		return again;
	j->bill = (struct bill){ .id = st->next };
	send_part(j);
	return false;
}

/* What has been heard and paid for, in case we do not get to the end; then
 * the next part. */
static void
keep_part(struct job *j)
{
	cJSON	*o = json_object(j->m);

	json_add_number(o, "bytes", (double)j->media->len);
	json_add_number(o, "offset", (double)j->offset);
	json_add_bool(o, "heard", j->heard);
	json_add_text(o, "language", j->language);
	json_add_text(o, "text", j->text->s);
	json_add(o, "segments", cJSON_Duplicate(j->segments, true));
	work_part_done(job_store(j), j->m, &j->c, json_print(j->m, o),
	    &j->bill, on_part, j);
}

/* Where another sweep got to, if it had these very bytes. */
static void
take_up_parts(struct job *j)
{
	cJSON		*o, *segments;
	const char	*text;
	struct err	 e;

	if (j->c.parts == NULL || !json_parse_trusted(&o, j->m, j->c.parts,
	    strlen(j->c.parts), &e) || (text = json_text(o, "text")) == NULL ||
	    lround(json_number(o, "bytes", 0)) != (long)j->media->len)
		return;
	j->offset = (size_t)lround(json_number(o, "offset", 0));
	j->heard = cJSON_IsTrue(json_get(o, "heard"));
	j->language = json_text(o, "language");
	buf_str(j->text, text);
	segments = cJSON_GetObjectItemCaseSensitive(o, "segments");
	while (cJSON_GetArraySize(segments) > 0)
		(void)cJSON_AddItemToArray(j->segments,
		    cJSON_DetachItemFromArray(segments, 0));
}

static void
on_speech(void *arg, const struct fetch_answer *a)
{
	struct job	*j = arg;
	struct speech	 sp;
	struct err	 e;

	job_paid_note(j, a, j->part.seconds);
	if (!job_is_good(j, a, SPEECH))
		return;
	if (!speech_read(j->m, a->body, j->part.start_s, &sp, &e)) {
		job_set_back(j, COUNTED, verdict_wait_s(j->c.attempts, -1), e.text);
		return;
	}
	if (j->text->len != 0 && *sp.text != '\0')
		buf_chr(j->text, ' ');
	buf_str(j->text, sp.text);
	j->heard |= sp.heard;
	if (j->language == NULL)
		j->language = sp.language;
	while (cJSON_GetArraySize(sp.segments) > 0)
		(void)cJSON_AddItemToArray(j->segments,
		    cJSON_DetachItemFromArray(sp.segments, 0));
	if (!next_part(j))
		keep_transcript(j, NULL);
	else
		keep_part(j);
}

static bool
next_part(struct job *j)
{
	j->next_offset = j->offset;
	return audio_next_part(j->media->s, j->media->len, j->part_bytes,
	    &j->next_offset, &j->part);
}

static void
send_part(struct job *j)
{
	struct fetch_request q;

	j->offset = j->next_offset;
	speech_request(j->s->cfg, j->m, j->audio.kind, &j->part, j->text->s,
	    &q);
	fetch_start(j->s->fetch, j->m, &q, on_speech, j);
}

/* How much of it one request may carry. */
static size_t
part_bytes(const struct job *j)
{
	double	limit = (double)j->s->cfg->transcribe_max_bytes -
		    MULTIPART_BYTES;
	double	most_s = speech_max_seconds(j->s->cfg->transcribe_model);

	if (most_s > 0 && j->audio.seconds > most_s)
		limit = fmin(limit, (double)j->media->len * most_s /
		    j->audio.seconds);
	return (size_t)limit;
}

static void
on_media(void *arg, const struct fetch_answer *a)
{
	struct job	*j = arg;
	const char	*why;

	/* Just after the call the media may not be there yet (FACTS 3.7);
	 * each wait is as long as all before: 2, 4, 8, … 60 s. */
	if (a->status == 404 && j->c.trying_s < MEDIA_WAIT_S) {
		job_set_back(j, OUTAGE, fmin(fmax(2, (double)j->c.trying_s), 60),
		    "Twilio does not have the media yet");
		return;
	}
	if (!job_is_good(j, a, TWILIO))
		return;
	if (a->body->len == 0) {
		job_set_back(j, HOPELESS, 0, "the recording is empty (0 bytes)");
		return;
	}
	if (!text_starts(a->type, "audio/") &&
	    !text_starts(a->type, "application/octet-stream")) {
		why = mem_printf(j->m, "Twilio sent %s instead of audio",
		    *a->type == '\0' ? "something unnamed" :
		    text_cut(j->m, a->type, 60));
		job_set_back(j, COUNTED, verdict_wait_s(j->c.attempts, -1), why);
		return;
	}
	j->media = a->body;
	j->audio = audio_probe(a->body->s, a->body->len);
	if (j->audio.kind == AUDIO_NONE || j->audio.seconds <= 0) {
		job_set_back(j, HOPELESS, 0, j->audio.kind == AUDIO_NONE ?
		    "the recording is not audio" :
		    "the recording has no sound in it");
		return;
	}
	if (j->audio.silent) {
		keep_transcript(j, "silent");
		return;
	}
	j->part_bytes = part_bytes(j);
	take_up_parts(j);
	if (!next_part(j))
		keep_transcript(j, NULL);
	else
		job_paid_open(j, "transcribe", send_part);
}

void
job_fetch_media(struct job *j)
{
	struct fetch_request q;

	twilio_media(j->s->cfg, j->m, &j->account, j->c.recording_sid, &q);
	fetch_start(j->s->fetch, j->m, &q, on_media, j);
}

static bool
on_kept(void *arg, const struct stored *st)
{
	struct job	*j = arg;
	bool		 again;

	if (!job_stored(j, st, true, &again))
		return again;
	if (j->why_none == NULL)
		j->s->done++;
	else
		j->s->failed++;
	job_finish(j, j->why_none == NULL ? "done" :
	    "transcribed, not analysed", j->why_none);
	return false;
}

/* Checkpoint two. */
void
job_keep_analysis(struct job *j, const char *analysis, const char *model,
    const char *why)
{
	j->why_none = why;
	work_analysed(job_store_last(j), j->m, &j->c, analysis, model, why,
	    &j->bill, on_kept, j);
}

static void
on_analysis(void *arg, const struct fetch_answer *a)
{
	struct job	*j = arg;
	const char	*analysis, *model;
	struct err	 e;

	job_paid_note(j, a, 0);
	if (a->status == 400 && !j->plain) {
		/* It may not know response_format json_schema. */
		j->plain = true;
		job_paid_close(j);
		job_analyse(j);
		return;
	}
	if (!job_is_good(j, a, ANALYST))
		return;
	if (analysis_read(j->m, a->body, &analysis, &model, &e))
		job_keep_analysis(j, analysis, model, NULL);
	else if (j->asks >= MAX_ASKS)
		job_set_back(j, HOPELESS, 0, e.text);
	else {
		job_paid_close(j);
		job_analyse(j);
	}
}

void
job_analyse(struct job *j)
{
	struct fetch_request q;

	if (j->bill.id == NULL) {
		job_paid_open(j, "analyse", job_analyse);
		return;
	}
	j->asks++;
	analysis_request(j->s->cfg, j->m, j->transcript, j->plain, &q);
	fetch_start(j->s->fetch, j->m, &q, on_analysis, j);
}
