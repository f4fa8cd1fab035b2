/* SPDX-License-Identifier: ISC */
/* settle: finds out what became of calls and texts whose answer from Twilio
 * was lost. Twilio lists what it has by To and From; of what fits ours, the
 * one made nearest to our asking that no other row has is ours. When a list
 * that must hold it does not, Twilio never had it. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/log.h"
#include "base/text.h"
#include "domain/account.h"
#include "domain/outbox.h"
#include "domain/twilio.h"
#include "format/json.h"
#include "format/phone.h"
#include "sweep.h"

#include "base/banned.h"

#define BEFORE_S	5	/* clocks differ */
#define AFTER_S		90	/* our own patience, and Twilio's queue */
#define SURE_S		600	/* Twilio's lists are eventually consistent */

/* Something on Twilio's list that may be ours. */
struct candidate {
	const char	*sid, *status;
	long		 off_s;		/* from when we asked */
};

static int
by_nearness(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return (x->off_s > y->off_s) - (x->off_s < y->off_s);
}

static const char *
letters(struct mem *m, const char *text)
{
	char *out = mem_dup(m, text == NULL ? "" : text), *p = out;

	for (const char *s = out; *s != '\0'; s++)
		if (isalnum((unsigned char)*s))
			*p++ = *s;
	*p = '\0';
	return out;
}

/* Twilio may put words before a text (trial accounts) and other quotes and
 * blanks into it, or keep none of it (ContentRetention). */
static bool
same_words(struct mem *m, const char *ours, const char *theirs)
{
	const char *have = letters(m, theirs);

	return *have == '\0' || strstr(have, letters(m, ours)) != NULL;
}

static time_t
made_at(const cJSON *item)
{
	const char *date = json_text(item, "date_created");

	return date == NULL ? -1 : curl_getdate(date, NULL);
}

static bool
may_be_ours(struct mem *m, const struct outbox_open *o, const cJSON *item)
{
	const char	*direction = json_text(item, "direction");
	const char	*service = json_text(item, "messaging_service_sid");
	time_t		 t = made_at(item);

	if (json_text(item, "sid") == NULL || t < o->created_s - BEFORE_S ||
	    t > o->created_s + AFTER_S || direction == NULL ||
	    !text_starts(direction, "outbound"))
		return false;
	if (o->kind == OUTBOX_CALL)
		return true;
	if (o->sender != NULL && phone_is_sid(o->sender, "MG") &&
	    (service == NULL || strcmp(service, o->sender) != 0))
		return false;
	return same_words(m, o->body, json_text(item, "body"));
}

static bool
adopt_from(struct sweep *s, struct mem *m, const struct outbox_open *o,
    const cJSON *list, bool *found, struct err *e)
{
	struct candidate	*c;
	const cJSON		*item;
	size_t			 n = 0;

	c = mem_array(m, (size_t)cJSON_GetArraySize(list) + 1, sizeof(*c));
	cJSON_ArrayForEach(item, list)
		if (may_be_ours(m, o, item))
			c[n++] = (struct candidate){ json_text(item, "sid"),
			    json_text(item, "status"),
			    labs((long)made_at(item) - o->created_s) };
	qsort(c, n, sizeof(*c), by_nearness);
	*found = false;
	for (size_t i = 0; i < n && !*found; i++) {
		if (!outbox_adopt(s->store, m, o->kind, o->row, c[i].sid,
		    c[i].status, found, e))
			return false;
		if (*found)
			log_info("found at Twilio", "row=%s sid=%s", o->row,
			    c[i].sid);
	}
	return true;
}

/* Newest first: does the list go back to before we asked? */
static bool
is_whole(const cJSON *root, const cJSON *list, const struct outbox_open *o)
{
	const cJSON *oldest = cJSON_GetArrayItem(list,
	    cJSON_GetArraySize(list) - 1);

	return cJSON_IsArray(list) && (json_text(root, "next_page_uri") ==
	    NULL || (oldest != NULL && made_at(oldest) != -1 &&
	    made_at(oldest) < o->created_s - BEFORE_S));
}

static bool
settle_one(struct sweep *s, struct mem *m, const struct outbox_open *o,
    struct err *e)
{
	const bool		 call = o->kind == OUTBOX_CALL;
	struct account		 account;
	struct fetch_request	 q;
	struct fetch_answer	 a;
	const cJSON		*list;
	const char		*text;
	cJSON			*root;
	bool			 found;

	if (!account_find(s->cfg, m, o->account_sid == NULL ?
	    s->cfg->account_sid : o->account_sid, &account))
		return true;
	twilio_list(s->cfg, m, &account, call ? "Calls" : "Messages",
	    o->sender, o->recipient, &q);
	fetch_one(m, &q, &a);
	/* What troubles Twilio now would trouble it with every row. */
	if (a.status == 0 || a.status == 429 || a.status >= 500)
		return err_set(e, ERR_DOWN, "Twilio's list: %s",
		    a.status == 0 ? a.error : mem_printf(m, "HTTP %ld",
		    a.status));
	text = json_mended(m, a.body->s, a.body->len);
	if (a.status != 200 || !json_parse_trusted(&root, m, text,
	    strlen(text), e)) {
		log_warn("not settled, will ask again", "row=%s status=%ld",
		    o->row, a.status);
		return true;
	}
	list = json_get(root, call ? "calls" : "messages");
	if (!adopt_from(s, m, o, list, &found, e))
		return false;
	if (found || o->age_s < SURE_S || !is_whole(root, list, o))
		return true;
	log_warn("Twilio never had it", "row=%s", o->row);
	return outbox_never_sent(s->store, m, o->kind, o->row, e);
}

bool
settle_all(struct sweep *s, struct err *e)
{
	struct mem		*m = mem_new(), *own;
	struct outbox_open	*open;
	size_t			 count;
	bool			 ok;

	ok = outbox_unsettled(s->store, m, &open, &count, e);
	for (size_t i = 0; ok && i < count; i++) {
		own = mem_new();
		ok = settle_one(s, own, &open[i], e);
		mem_free(own);
	}
	mem_free(m);
	return ok;
}
