/* SPDX-License-Identifier: ISC */
/* wipe: what is gone already is as good as deleted. A body is emptied, which
 * is how Twilio is told to forget what was said; that there was a text or a
 * call stays in its log, with the price. */
#include "wipe.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "domain/account.h"
#include "domain/erasure.h"
#include "domain/twilio.h"
#include "format/json.h"
#include "format/phone.h"
#include "verdict.h"

#include "base/banned.h"

#define TRIES		3
#define RECORDINGS	20	/* pages of fifty, of one call */

/* One note, as far as it is. */
struct errand {
	struct wipe		*w;
	struct mem		*m;
	const struct account	*account;
	const char		*sid;
	long			 attempts;
	const char		*why;		/* it is not done; NULL: it is */
	long			 asked_s;	/* when to come back; -1 */
	bool			 outage;
};

unsigned
wipe_patience(long asked_s)
{
	return asked_s < 1 ? 1 : asked_s > 30 ? 30 : (unsigned)asked_s;
}

static void
say(struct wipe *w, const char *sid, const char *what)
{
	if (w->said == NULL)
		return;
	(void)fprintf(w->said, "TWILIO   %-34s  %s\n", sid, what);
	(void)fflush(w->said);
}

/* True: it was done, or is not there any more (*a->status is 404). */
static bool
ask(struct errand *t, struct fetch_request *q, struct fetch_answer *a)
{
	struct verdict v;

	for (int i = t->w->by_hand ? TRIES : 1;; i--) {
		fetch_one(t->m, q, a);
		if (i == 1 || (a->status != 429 && a->status < 500))
			break;
		(void)sleep(wipe_patience(a->retry_after_s));
	}
	t->w->reached = t->w->reached || (a->status != 0 && a->status < 500);
	if ((a->status >= 200 && a->status <= 299) || a->status == 404)
		return true;
	verdict_of(t->m, "Twilio", a, &v);
	t->why = v.why;
	t->asked_s = v.asked_s;
	t->outage = v.outcome == OUTAGE;
	if (verdict_about_account(a))
		(void)snprintf(t->w->refused, sizeof(t->w->refused), "%.250s",
		    v.why);
	return false;
}

static bool
ask_json(struct errand *t, const char *thing, cJSON **root, bool *gone)
{
	struct fetch_request	 q;
	struct fetch_answer	 a;
	struct err		 e;
	const char		*text;

	twilio_get(t->w->cfg, t->m, t->account, thing, &q);
	if (!ask(t, &q, &a))
		return false;
	*gone = a.status == 404;
	if (*gone)
		return true;
	text = json_mended(t->m, a.body->s, a.body->len);
	if (json_parse_trusted(root, t->m, text, strlen(text), &e))
		return true;
	t->why = mem_printf(t->m, "Twilio answered no JSON");
	return false;
}

static bool
delete_thing(struct errand *t, const char *sid, struct fetch_request *q,
    const char *what)
{
	struct fetch_answer a;

	if (!ask(t, q, &a))
		return false;
	say(t->w, sid, mem_printf(t->m, "%s %s", what, a.status == 404 ?
	    "was gone" : "deleted"));
	return true;
}

static bool
delete_recording(struct errand *t, const char *sid)
{
	struct fetch_request q;

	twilio_delete_recording(t->w->cfg, t->m, t->account, sid, &q);
	return delete_thing(t, sid, &q, "recording");
}

static bool
is_over(const char *status)
{
	return status != NULL && text_matches(status,
	    "^(completed|busy|failed|no-answer|canceled)$");
}

/* Recordings that nobody told us of. */
static bool
wipe_call(struct errand *t)
{
	const char	*thing = mem_printf(t->m, "Calls/%s", t->sid);
	const char	*list = mem_printf(t->m, "%s/Recordings", thing);
	const cJSON	*item;
	cJSON		*root = NULL;
	bool		 gone, more = true;

	if (!ask_json(t, thing, &root, &gone))
		return false;
	if (!gone && !is_over(json_text(root, "status"))) {
		t->why = "the call goes on";
		return false;
	}
	for (int i = 0; !gone && more && i < RECORDINGS; i++) {
		if (!ask_json(t, list, &root, &more))
			return false;
		more = !more && json_text(root, "next_page_uri") != NULL;
		cJSON_ArrayForEach(item, json_get(root, "recordings")) {
			const char *sid = json_text(item, "sid");

			if (sid != NULL && phone_is_sid(sid, "RE") &&
			    !delete_recording(t, sid))
				return false;
		}
	}
	if (!gone && more) {
		t->why = "the call has more recordings";
		return false;
	}
	say(t->w, t->sid, gone ? "call was gone" :
	    "call has no recordings now; its record stays");
	return true;
}

static bool
wipe_text(struct errand *t)
{
	const char		*thing = mem_printf(t->m, "Messages/%s",
				    t->sid);
	const char		*body, *media;
	const cJSON		*item;
	cJSON			*root = NULL, *list = NULL;
	struct fetch_request	 q;
	struct fetch_answer	 a;
	bool			 gone;

	if (!ask_json(t, thing, &root, &gone))
		return false;
	if (gone) {
		say(t->w, t->sid, "text was gone");
		return true;
	}
	media = json_text(root, "num_media");
	if (media != NULL && strcmp(media, "0") != 0) {
		if (!ask_json(t, mem_printf(t->m, "%s/Media", thing), &list,
		    &gone))
			return false;
		cJSON_ArrayForEach(item, json_get(gone ? NULL : list,
		    "media_list")) {
			const char *sid = json_text(item, "sid");

			if (sid == NULL || !phone_is_sid(sid, "ME"))
				continue;
			twilio_delete_media(t->w->cfg, t->m, t->account,
			    t->sid, sid, &q);
			if (!delete_thing(t, sid, &q, "media"))
				return false;
		}
	}
	body = json_text(root, "body");
	if (body != NULL && *body != '\0') {
		twilio_redact(t->w->cfg, t->m, t->account, t->sid, &q);
		if (!ask(t, &q, &a))
			return false;
	}
	say(t->w, t->sid, body != NULL && *body != '\0' ?
	    "text redacted; its record stays" :
	    "text was empty; its record stays");
	return true;
}

static bool
run(struct errand *t)
{
	if (phone_is_sid(t->sid, "RE"))
		return delete_recording(t, t->sid);
	if (phone_is_sid(t->sid, "CA"))
		return wipe_call(t);
	if (phone_is_sid(t->sid, "SM|MM"))
		return wipe_text(t);
	say(t->w, t->sid, "is no SID of Twilio's");	/* somebody's test */
	return true;
}

static bool
wipe_one(struct wipe *w, const struct erasure_todo *todo, bool *outage,
    struct err *e)
{
	struct mem	*m = mem_new();
	struct account	 account;
	struct errand	 t = { .w = w, .m = m, .account = &account,
			    .sid = todo->sid, .attempts = todo->attempts,
			    .asked_s = -1 };
	bool		 ok;

	if (w->refused[0] != '\0')
		t.why = w->refused;
	else if (!account_find(w->cfg, m, todo->account_sid == NULL ?
	    w->cfg->account_sid : todo->account_sid, &account))
		t.why = "its account is not configured here";
	else if (run(&t))
		t.why = NULL;
	if (t.why == NULL) {
		ok = erasure_done(w->store, m, t.sid, e);
	} else {
		w->left++;
		say(w, t.sid, mem_printf(m, "LEFT: %s", t.why));
		log_at(w->by_hand ? LEVEL_DEBUG : LEVEL_WARN,
		    "not erased at Twilio, will try again", "sid=%s why=%s",
		    t.sid, log_quote(t.why));
		ok = erasure_later(w->store, m, t.sid,
		    verdict_wait_s(t.attempts, t.asked_s), e);
	}
	*outage = t.outage;
	mem_free(m);
	return ok;
}

bool
wipe_noted(struct wipe *w, size_t most, struct err *e)
{
	struct mem		*m = mem_new();
	struct erasure_todo	*todo;
	size_t			 count, i;
	unsigned		 outages = 0;
	bool			 outage, ok;

	ok = erasure_due(w->store, m, w->by_hand, most, &todo, &count, e);
	for (i = 0; ok && i < count && outages < TRIES; i++) {
		ok = wipe_one(w, &todo[i], &outage, e);
		w->asked++;
		outages = outage ? outages + 1 : 0;
	}
	for (; ok && i < count; i++) {
		w->left++;
		say(w, todo[i].sid, "LEFT: not asked");
	}
	mem_free(m);
	return ok;
}
