/* SPDX-License-Identifier: ISC */
/* settle: finds out what became of calls and texts whose answer from Twilio
 * was lost. Twilio lists what it has by To, From and day; the one made
 * nearest to our asking, not known to us yet, is ours. When a list that must
 * hold it does not, Twilio never had it. */
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/log.h"
#include "domain/account.h"
#include "domain/outbox.h"
#include "domain/twilio.h"
#include "format/json.h"
#include "sweep.h"

#include "base/banned.h"

#define BEFORE_S	5	/* clocks differ */
#define AFTER_S		90	/* our own patience, and Twilio's queue */
#define SURE_S		600	/* Twilio's lists are eventually consistent */

/* Adopts the first thing on the list that fits and is not taken. */
static bool
adopt_from(struct sweep *s, struct mem *m, const struct outbox_open *o,
    const cJSON *list, bool *found, struct err *e)
{
	const cJSON	*item;
	const char	*sid, *made;
	time_t		 t;

	*found = false;
	cJSON_ArrayForEach(item, list) {
		sid = json_text(item, "sid");
		made = json_text(item, "date_created");
		t = made == NULL ? -1 : curl_getdate(made, NULL);
		if (sid == NULL || t < o->created_s - BEFORE_S ||
		    t > o->created_s + AFTER_S)
			continue;
		if (!outbox_adopt(s->store, m, o->kind, o->row, sid,
		    json_text(item, "status"), found, e))
			return false;
		if (*found) {
			log_info("found at Twilio", "row=%s sid=%s", o->row,
			    sid);
			return true;
		}
	}
	return true;
}

static bool
settle_one(struct sweep *s, struct mem *m, const struct outbox_open *o,
    struct err *e)
{
	const bool		 call = o->kind == OUTBOX_CALL;
	struct account		 account;
	struct fetch_request	 q;
	struct fetch_answer	 a;
	cJSON			*root;
	bool			 found;

	if (!account_find(s->cfg, m, o->account_sid == NULL ?
	    s->cfg->account_sid : o->account_sid, &account))
		return true;
	twilio_list(s->cfg, m, &account, call ? "Calls" : "Messages",
	    o->sender, o->recipient, o->created_at, &q);
	fetch_one(m, &q, &a);
	if (a.status != 200 || !json_parse_trusted(&root, m, a.body->s,
	    a.body->len, e)) {
		log_warn("not settled, will ask again", "row=%s status=%ld",
		    o->row, a.status);
		return true;
	}
	if (!adopt_from(s, m, o, json_get(root, call ? "calls" : "messages"),
	    &found, e))
		return false;
	if (found || o->age_s < SURE_S)
		return true;
	log_warn("Twilio never had it", "row=%s", o->row);
	return outbox_never_sent(s->store, m, o->kind, o->row, e);
}

bool
settle_all(struct sweep *s, struct err *e)
{
	struct mem		*m = mem_new();
	struct outbox_open	*open;
	size_t			 count;
	bool			 ok;

	ok = outbox_unsettled(s->store, m, &open, &count, e);
	for (size_t i = 0; ok && i < count; i++)
		ok = settle_one(s, m, &open[i], e);
	mem_free(m);
	return ok;
}
