/* SPDX-License-Identifier: ISC */
/* tidy: what is not to be here any more: what was erased and has come back,
 * what is older than RETENTION_DAYS, and Twilio's share of both. */
#include "sweep.h"

#include "base/log.h"
#include "domain/erasure.h"
#include "wipe.h"

#include "base/banned.h"

#define OLD_BATCH	500	/* calls, and texts; each batch is a commit */
#define OLD_BATCHES	20	/* in one pass */
#define ERRANDS		100	/* to Twilio, in one pass */

/* Twilio has it still. */
static bool
took(struct sweep *s, const struct erasure *sum)
{
	const bool any = sum->calls + sum->texts + sum->recordings != 0;

	s->todo.errands = s->todo.errands || any;
	return any;
}

void
tidy_late(struct sweep *s)
{
	struct erasure	sum = { 0 };
	struct err	e;

	if (!erasure_back(s->store, &sum, &e))
		log_warn("not looked for what was erased", "why=%s",
		    log_quote(e.text));
	if (took(s, &sum))
		log_info("erased again: it came late", "calls=%zu texts=%zu "
		    "recordings=%zu", sum.calls, sum.texts, sum.recordings);
}

static void
take_old(struct sweep *s)
{
	const long	days = s->cfg->retention_days;
	struct erasure	sum = { 0 };
	struct err	e;
	bool		more = true, ok = true;

	for (int i = 0; ok && more && !*s->stopped && i < OLD_BATCHES; i++)
		ok = erasure_old(s->store, s->m, days, OLD_BATCH, &sum, &more,
		    &e);
	if (!ok)
		log_warn("old calls and texts not erased", "why=%s",
		    log_quote(e.text));
	if (took(s, &sum))
		log_info("erased, for their age", "calls=%zu texts=%zu "
		    "recordings=%zu transcripts=%zu", sum.calls, sum.texts,
		    sum.recordings, sum.transcripts);
}

void
tidy_old(struct sweep *s)
{
	struct wipe	w = { .cfg = s->cfg, .store = s->store };
	struct err	e;

	if (s->todo.old)
		take_old(s);
	if (!s->todo.errands || *s->stopped || service_asleep(s, TWILIO))
		return;
	if (!wipe_noted(&w, ERRANDS, &e))
		log_warn("erasing at Twilio put off", "why=%s",
		    log_quote(e.text));
	if (w.refused[0] != '\0')
		service_pause(s, TWILIO, mem_printf(s->m, "%s; check the key "
		    "and the account", w.refused));
	else if (w.reached)
		service_is_well(s, TWILIO);
}
