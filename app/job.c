/* SPDX-License-Identifier: ISC */
/* job: one recording: fetch the media, transcribe, store, analyse, store.
 * Each arrow is a request whose answer calls the next function. What is in
 * the database after a step is never done, nor paid for, again. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "domain/account.h"
#include "domain/analysis.h"
#include "domain/speech.h"
#include "domain/twilio.h"
#include "format/audio.h"
#include "format/json.h"
#include "sweep.h"
#include "verdict.h"

#include "base/banned.h"

#define MAX_ATTEMPTS	12
#define REFUND_S	(24 * 3600)	/* an outage longer than this counts */
#define MEDIA_WAIT_S	(15 * 60)	/* media may appear this late */
#define MAX_ASKS	3		/* of the analyst, in one attempt */
#define MAX_OUTAGES	5	/* in a row, then the pass stops */
#define SOON_S		10		/* worth waiting for within the pass */
#define MULTIPART_BYTES	8192		/* of a request around its file */
#define STORE_TRIES	20		/* a second apart: it has been paid for */

struct job {
	struct job	*next;
	struct sweep	*s;
	struct mem	*m;
	struct claim	 c;
	struct account	 account;
	long		 started_ms;
	/* transcription */
	const struct buf *media;
	struct audio	 audio;
	struct audio_part part;
	size_t		 offset, part_bytes;
	struct buf	*text;
	cJSON		*segments;
	const char	*language;
	bool		 heard;
	/* analysis */
	const char	*transcript;
	int		 asks;
	bool		 plain;
	const char	*paid;		/* open row of the ledger */
};

static const char *const services[] = {
	[TWILIO] = "Twilio",
	[SPEECH] = "the transcription server",
	[ANALYST] = "the language model's server",
};

static void	transcribe(struct job *);
static void	analyse(struct job *);
static void	keep_analysis(struct job *, const char *analysis,
		    const char *model, const char *why);

long
sweep_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
finish(struct job *j, const char *how, const char *why)
{
	struct sweep	 *s = j->s;
	struct job	**p = &s->jobs;

	if (s->chatty || why != NULL)
		log_info(how, "recording=%s attempt=%ld ms=%ld%s%s",
		    j->c.recording_sid, j->c.attempts,
		    sweep_now_ms() - j->started_ms, why == NULL ? "" :
		    " why=", why == NULL ? "" : log_quote(why));
	while (*p != j)
		p = &(*p)->next;
	*p = j->next;
	s->running--;
	mem_free(j->m);
}

/* A paid answer must not be lost to a database that is restarting. */
static bool
keep_trying(struct job *j, int *tries, const struct err *e)
{
	if (!err_retryable(e->kind) || ++*tries >= STORE_TRIES)
		return false;
	log_warn("waiting for the database", "recording=%s why=%s",
	    j->c.recording_sid, log_quote(e->text));
	(void)sleep(1);
	return true;
}

static void
stop_pass(struct sweep *s, const char *why)
{
	if (s->stop[0] == '\0')
		(void)snprintf(s->stop, sizeof(s->stop), "%s", why);
}

static void
stored_or_not(struct job *j, bool ok, const struct err *e)
{
	if (!ok) {
		stop_pass(j->s, e->text);
		j->s->later++;
		finish(j, "not stored", e->text);
	} else {
		finish(j, "dropped: another sweep has taken over", "");
	}
}

static void
set_back(struct job *j, enum outcome outcome, double wait_s, const char *why)
{
	struct sweep	*s = j->s;
	struct setback	 f = { .wait_s = wait_s, .why = why };
	struct err	 e;
	bool		 held = true, ok;

	f.dead = outcome == HOPELESS ||
	    (outcome == COUNTED && j->c.attempts >= MAX_ATTEMPTS);
	f.refund = outcome == SETTING ||
	    (outcome == OUTAGE && j->c.trying_s < REFUND_S);
	if (outcome == OUTAGE && !f.refund && j->c.attempts >= MAX_ATTEMPTS)
		f.dead = true;
	/* A transcript is worth having without its analysis. */
	if (f.dead && j->transcript != NULL) {
		keep_analysis(j, NULL, NULL, mem_printf(j->m,
		    "analysis failed: %s", why));
		return;
	}
	ok = store_failed(s->store, j->m, &j->c, &f, &held, &e);
	if (!ok || !held) {
		stored_or_not(j, ok, &e);
		return;
	}
	if (f.dead)
		s->failed++;
	else
		s->later++;
	if (!f.dead && wait_s <= SOON_S) {
		long at = sweep_now_ms() + (long)(wait_s * 1000) + 50;

		if (s->again_ms == 0 || at < s->again_ms)
			s->again_ms = at;
	}
	finish(j, f.dead ? "failed for good" : "later", why);
}

/* False: the answer is not good, and the recording has been dealt with. */
static bool
is_good(struct job *j, const struct fetch_answer *a, enum service from)
{
	struct sweep	*s = j->s;
	struct verdict	 v;

	verdict_of(j->m, services[from], a, &v);
	if (v.outcome == GOOD) {
		s->outages[from] = 0;
		return true;
	}
	if (v.outcome == SETTING)
		stop_pass(s, mem_printf(j->m, "%s; check the key and the "
		    "account, nothing is lost", v.why));
	/* A dead service would fail every recording in turn. */
	if (v.outcome == OUTAGE && (++s->outages[from] >= MAX_OUTAGES ||
	    (a->status == 0 && !a->sent)))
		stop_pass(s, v.why);
	set_back(j, v.outcome, verdict_wait_s(j->c.attempts, v.asked_s),
	    v.why);
	return false;
}

static bool
paid_open(struct job *j, const char *step)
{
	struct err	e;
	int		tries = 0;
	bool		ok;

	j->paid = NULL;
	do
		ok = store_paid_open(j->s->store, j->m, j->c.recording_sid,
		    step, &j->paid, &e);
	while (!ok && j->text->len != 0 && keep_trying(j, &tries, &e));
	if (!ok)
		stored_or_not(j, false, &e);
	return ok;
}

static void
paid_close(struct job *j, const struct fetch_answer *a, double seconds)
{
	struct err	e;
	const char	*outcome = a->status == 0 ? a->error :
			    mem_printf(j->m, "HTTP %ld", a->status);

	if (!store_paid_close(j->s->store, j->m, j->paid, outcome,
	    mem_printf(j->m, "{\"seconds\":%.1f}", seconds), &e))
		log_warn("ledger", "recording=%s why=%s", j->c.recording_sid,
		    log_quote(e.text));
}

/* Checkpoint one. The analysis follows if there is anything to analyse. */
static void
keep_transcript(struct job *j, const char *nothing)
{
	struct transcript t = {
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
	};
	struct err	e;
	bool		held = false, ok;
	int		tries = 0;

	do
		ok = store_transcribed(j->s->store, j->m, &j->c, &t, &held,
		    &e);
	while (!ok && keep_trying(j, &tries, &e));
	if (!ok || !held) {
		stored_or_not(j, ok, &e);
	} else if (!t.analyse) {
		j->s->silent++;
		finish(j, "no speech in it", NULL);
	} else {
		j->transcript = t.text;
		analyse(j);
	}
}

static void
on_speech(void *arg, const struct fetch_answer *a)
{
	struct job	*j = arg;
	struct speech	 sp;
	struct err	 e;

	paid_close(j, a, j->part.seconds);
	if (!is_good(j, a, SPEECH))
		return;
	if (!speech_read(j->m, a->body, j->part.start_s, &sp, &e)) {
		set_back(j, COUNTED, verdict_wait_s(j->c.attempts, -1), e.text);
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
	transcribe(j);
}

/* The next part, or the end of them. */
static void
transcribe(struct job *j)
{
	struct fetch_request q;

	if (!audio_next_part(j->media->s, j->media->len, j->part_bytes,
	    &j->offset, &j->part)) {
		keep_transcript(j, NULL);
		return;
	}
	if (!paid_open(j, "transcribe"))
		return;
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
		set_back(j, OUTAGE, fmin(fmax(2, (double)j->c.trying_s), 60),
		    "Twilio does not have the media yet");
		return;
	}
	if (!is_good(j, a, TWILIO))
		return;
	if (a->body->len == 0) {
		set_back(j, HOPELESS, 0, "the recording is empty (0 bytes)");
		return;
	}
	if (!text_starts(a->type, "audio/") &&
	    !text_starts(a->type, "application/octet-stream")) {
		why = mem_printf(j->m, "Twilio sent %s instead of audio",
		    *a->type == '\0' ? "something unnamed" :
		    text_cut(j->m, a->type, 60));
		set_back(j, COUNTED, verdict_wait_s(j->c.attempts, -1), why);
		return;
	}
	j->media = a->body;
	j->audio = audio_probe(a->body->s, a->body->len);
	if (j->audio.kind == AUDIO_NONE || j->audio.seconds <= 0) {
		set_back(j, HOPELESS, 0, j->audio.kind == AUDIO_NONE ?
		    "the recording is not audio" :
		    "the recording has no sound in it");
		return;
	}
	if (j->audio.silent) {
		keep_transcript(j, "silent");
		return;
	}
	j->part_bytes = part_bytes(j);
	transcribe(j);
}

static void
fetch_media(struct job *j)
{
	struct fetch_request q;

	twilio_media(j->s->cfg, j->m, &j->account, j->c.recording_sid, &q);
	fetch_start(j->s->fetch, j->m, &q, on_media, j);
}

/* Checkpoint two. */
static void
keep_analysis(struct job *j, const char *analysis, const char *model,
    const char *why)
{
	struct err	e;
	bool		held = false, ok;
	int		tries = 0;

	do
		ok = store_analysed(j->s->store, j->m, &j->c, analysis, model,
		    why, &held, &e);
	while (!ok && keep_trying(j, &tries, &e));
	if (!ok || !held) {
		stored_or_not(j, ok, &e);
		return;
	}
	if (analysis != NULL)
		j->s->done++;
	else
		j->s->failed++;
	finish(j, analysis != NULL ? "done" : "transcribed, not analysed",
	    why);
}

static void
on_analysis(void *arg, const struct fetch_answer *a)
{
	struct job	*j = arg;
	const char	*analysis, *model;
	struct err	 e;

	paid_close(j, a, 0);
	if (a->status == 400 && !j->plain) {
		/* It may not know response_format json_schema. */
		j->plain = true;
		analyse(j);
		return;
	}
	if (!is_good(j, a, ANALYST))
		return;
	if (analysis_read(j->m, a->body, &analysis, &model, &e))
		keep_analysis(j, analysis, model, NULL);
	else if (j->asks < MAX_ASKS)
		analyse(j);
	else
		set_back(j, HOPELESS, 0, e.text);
}

static void
analyse(struct job *j)
{
	struct fetch_request q;

	j->asks++;
	if (!paid_open(j, "analyse"))
		return;
	analysis_request(j->s->cfg, j->m, j->transcript, j->plain, &q);
	fetch_start(j->s->fetch, j->m, &q, on_analysis, j);
}

void
job_start(struct sweep *s, struct mem *own, const struct claim *c)
{
	struct job *j = mem_get(own, sizeof(*j));

	j->s = s;
	j->m = own;
	j->c = *c;
	j->started_ms = sweep_now_ms();
	j->text = buf_new(own, 4 * 1024 * 1024);
	j->segments = json_array(own);
	j->next = s->jobs;
	s->jobs = j;
	s->running++;
	if (c->analyse_only)
		j->transcript = c->transcript == NULL ? "" : c->transcript;
	if (c->attempts > MAX_ATTEMPTS) {
		/* Whoever gets it dies of it, or is too slow. */
		set_back(j, HOPELESS, 0, mem_printf(own,
		    "%d attempts ended without a result", MAX_ATTEMPTS));
	} else if (c->analyse_only) {
		analyse(j);
	} else if (!account_find(s->cfg, own, c->account_sid == NULL ?
	    s->cfg->account_sid : c->account_sid, &j->account)) {
		set_back(j, HOPELESS, 0, "the recording's account is not "
		    "configured (TWILIO_SUBACCOUNTS)");
	} else {
		fetch_media(j);
	}
}

void
job_heartbeat(struct sweep *s)
{
	struct err	 e;
	struct job	*next;
	bool		 held;

	for (struct job *j = s->jobs; j != NULL; j = next) {
		next = j->next;
		if (store_heartbeat(s->store, j->m, &j->c, &held, &e) && !held)
			stored_or_not(j, true, NULL);
	}
}

void
job_release_all(struct sweep *s)
{
	struct setback	f = { .refund = true, .why = "the sweep was stopped" };
	struct err	e;
	bool		held;

	while (s->jobs != NULL) {
		if (!store_failed(s->store, s->jobs->m, &s->jobs->c, &f, &held,
		    &e))
			log_warn("not released", "recording=%s why=%s",
			    s->jobs->c.recording_sid, log_quote(e.text));
		s->later++;
		finish(s->jobs, "given back", NULL);
	}
}
