/* SPDX-License-Identifier: ISC */
/* job: a recording's time with this sweep, from claim to release. What is
 * done with it meanwhile is in steps.c. */
#include "job.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "verdict.h"

#include "base/banned.h"

#define MAX_ATTEMPTS	12
#define REFUND_S	(24 * 3600)	/* an outage longer than this counts */
#define MAX_OUTAGES	5	/* in a row, then the pass stops */
#define SOON_S		10		/* worth waiting for within the pass */
#define STORE_TRIES	900		/* a second apart: it has been paid for */

void
job_finish(struct job *j, const char *how, const char *why)
{
	struct sweep	 *s = j->s;
	struct job	**p = &s->jobs;

	if (s->chatty || why != NULL)
		log_info(how, "recording=%s attempt=%ld ms=%ld%s%s",
		    j->c.recording_sid, j->c.attempts,
		    clock_ms() - j->started_ms, why == NULL ? "" :
		    " why=", why == NULL ? "" : log_quote(why));
	while (*p != j)
		p = &(*p)->next;
	*p = j->next;
	s->running--;
	s->ending -= j->ends;
	mem_free(j->m);
}

static void
stop_pass(struct sweep *s, const char *why)
{
	if (s->stop[0] == '\0')
		(void)snprintf(s->stop, sizeof(s->stop), "%s", why);
}

void
job_dropped(struct job *j, bool ok, const struct err *e)
{
	if (!ok) {
		stop_pass(j->s, e->text);
		j->s->later++;
		job_finish(j, "not stored", e->text);
	} else {
		job_finish(j, "dropped: another sweep has taken over", "");
	}
}

struct batch *
job_store(struct job *j)
{
	j->storing = true;
	j->tries = 0;
	return j->s->batch;
}

struct batch *
job_store_last(struct job *j)
{
	j->s->ending += !j->ends;
	j->ends = true;
	return job_store(j);
}

/* The batch comes again a second later. */
static bool
keep_trying(struct job *j, const struct err *e)
{
	if (!err_retryable(e->kind) || ++j->tries >= STORE_TRIES ||
	    *j->s->stopped)
		return false;
	if (j->tries % 60 == 1)
		log_warn("waiting for the database", "recording=%s why=%s",
		    j->c.recording_sid, log_quote(e->text));
	return true;
}

bool
job_stored(struct job *j, const struct stored *st, bool paid, bool *again)
{
	*again = !st->ok && paid && keep_trying(j, st->err);
	if (*again)
		return false;
	j->storing = false;
	if (!st->ok || !st->held)
		job_dropped(j, st->ok, st->err);
	return st->ok && st->held;
}

void
job_set_back(struct job *j, enum outcome outcome, double wait_s, const char *why)
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
		job_keep_analysis(j, NULL, NULL, mem_printf(j->m,
		    "analysis failed: %s", why));
		return;
	}
	if (j->bill.id != NULL)
		job_paid_close(j);
	ok = work_failed(s->store, j->m, &j->c, &f, &held, &e);
	if (!ok || !held) {
		job_dropped(j, ok, &e);
		return;
	}
	if (f.dead)
		s->failed++;
	else
		s->later++;
	if (!f.dead && outcome != SETTING && wait_s <= SOON_S) {
		long at = clock_ms() + (long)(wait_s * 1000) + 50;

		if (s->again_ms == 0 || at < s->again_ms)
			s->again_ms = at;
	}
	job_finish(j, f.dead ? "failed for good" : "later", why);
}

/* False: the answer is not good, and the recording has been dealt with. */
bool
job_is_good(struct job *j, const struct fetch_answer *a, enum service from)
{
	struct sweep	*s = j->s;
	struct verdict	 v;
	double		 wait_s;

	verdict_of(j->m, service_name(from), a, &v);
	if (v.outcome == GOOD) {
		service_is_well(s, from);
		return true;
	}
	/* A wrong model or a wrong address is not the recording's fault. */
	if (a->status == 404 && from != TWILIO)
		v.outcome = SETTING;
	/* A key that Twilio knows may still not have this recording. */
	if (a->status == 403 && from == TWILIO && !verdict_about_account(a)) {
		log_error("recording refused", "recording=%s why=%s",
		    j->c.recording_sid, log_quote(v.why));
		v.outcome = HOPELESS;
	}
	if (v.outcome == SETTING) {
		service_pause(s, from, mem_printf(j->m, "%s; check the %s",
		    v.why, a->status == 404 ? "model and the base URL" :
		    "key and the account"));
		job_set_back(j, SETTING, 0, v.why);
		return false;
	}
	/* A dead service would fail every recording in turn. */
	if (v.outcome == OUTAGE && (++s->outages[from] >= MAX_OUTAGES ||
	    (a->status == 0 && !a->sent)))
		stop_pass(s, v.why);
	wait_s = verdict_wait_s(j->c.attempts, v.asked_s);
	/* Its attempts are given back, so the wait grows with time instead:
	 * each is as long as all before. */
	if (v.outcome == OUTAGE && v.asked_s < 0)
		wait_s = fmin(fmax(wait_s, (double)j->c.trying_s), 3600);
	job_set_back(j, v.outcome, wait_s, v.why);
	return false;
}

static bool
on_opened(void *arg, const struct stored *st)
{
	struct job	*j = arg;
	bool		 again;

	if (!job_stored(j, st, j->text->len != 0, &again))
		return again;
	j->bill.id = st->next;
	j->then(j);
	return false;
}

void
job_paid_open(struct job *j, const char *step, void (*then)(struct job *))
{
	j->then = then;
	work_paid_open(job_store(j), j->m, j->c.recording_sid, step,
	    on_opened, j);
}

void
job_paid_note(struct job *j, const struct fetch_answer *a, double seconds)
{
	j->bill.outcome = a->status == 0 ? mem_dup(j->m, a->error) :
	    mem_printf(j->m, "HTTP %ld", a->status);
	j->bill.units = mem_printf(j->m, "{\"seconds\":%.1f}", seconds);
}

void
job_paid_close(struct job *j)
{
	struct err e;

	if (!work_paid_close(j->s->store, j->m, &j->bill, &e))
		log_warn("ledger", "recording=%s why=%s", j->c.recording_sid,
		    log_quote(e.text));
	memset(&j->bill, 0, sizeof(j->bill));
}

void
job_start(struct sweep *s, struct mem *own, const struct claim *c)
{
	struct job *j = mem_get(own, sizeof(*j));

	j->s = s;
	j->m = own;
	work_copy(own, c, &j->c);
	c = &j->c;
	j->started_ms = clock_ms();
	j->text = buf_new(own, 4 * 1024 * 1024);
	j->segments = json_array(own);
	j->next = s->jobs;
	s->jobs = j;
	s->running++;
	if (c->analyse_only)
		j->transcript = c->transcript == NULL ? "" : c->transcript;
	if (c->attempts > MAX_ATTEMPTS) {
		/* Whoever gets it dies of it, or is too slow. */
		job_set_back(j, HOPELESS, 0, mem_printf(own,
		    "%d attempts ended without a result", MAX_ATTEMPTS));
	} else if (c->analyse_only) {
		job_analyse(j);
	} else if (!account_find(s->cfg, own, c->account_sid == NULL ?
	    s->cfg->account_sid : c->account_sid, &j->account)) {
		job_set_back(j, HOPELESS, 0, "the recording's account is not "
		    "configured (TWILIO_SUBACCOUNTS)");
	} else {
		job_fetch_media(j);
	}
}

bool
job_heartbeat(struct sweep *s)
{
	struct err	 e;
	struct job	*next;
	bool		 held;

	if (!work_live(s->store, s->cfg, s->id, &e)) {
		log_warn("leases not renewed", "why=%s", log_quote(e.text));
		return false;
	}
	for (struct job *j = s->jobs; j != NULL; j = next) {
		next = j->next;
		/* What is in the batch will hear of it there. */
		if (work_held(s->store, &j->c, &held, &e) && !held &&
		    !j->storing)
			job_dropped(j, true, NULL);
	}
	return true;
}

void
job_release_all(struct sweep *s)
{
	struct setback	f = { .refund = true, .why = "the sweep was stopped" };
	struct err	e;
	bool		held;

	batch_finish(s->batch);		/* what has been paid for */
	while (s->jobs != NULL) {
		if (!work_failed(s->store, s->jobs->m, &s->jobs->c, &f, &held,
		    &e))
			log_warn("not released", "recording=%s why=%s",
			    s->jobs->c.recording_sid, log_quote(e.text));
		s->later++;
		job_finish(s->jobs, "given back", NULL);
	}
}
