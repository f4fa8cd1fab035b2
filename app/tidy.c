/* SPDX-License-Identifier: ISC */
/* tidy: what is not to be here any more: what was erased and has come back,
 * and Twilio's share of it. */
#include "sweep.h"

#include "base/log.h"
#include "domain/erasure.h"
#include "wipe.h"

#include "base/banned.h"

#define ERRANDS		100	/* to Twilio, in one pass */

void
tidy_late(struct sweep *s)
{
	struct erasure	sum = { 0 };
	struct err	e;

	if (!erasure_back(s->store, &sum, &e))
		log_warn("not looked for what was erased", "why=%s",
		    log_quote(e.text));
	else if (sum.calls + sum.texts + sum.recordings != 0)
		log_info("erased again: it came late", "calls=%zu texts=%zu "
		    "recordings=%zu", sum.calls, sum.texts, sum.recordings);
}

void
tidy_twilio(struct sweep *s)
{
	struct wipe	w = { .cfg = s->cfg, .store = s->store };
	struct err	e;

	if (*s->stopped || service_asleep(s, TWILIO))
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
