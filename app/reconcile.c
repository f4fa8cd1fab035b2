/* SPDX-License-Identifier: ISC */
/* reconcile: pages of Twilio's lists, newest first, until they are older than
 * the look goes back. */
#include "reconcile.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "domain/account.h"
#include "domain/event.h"
#include "edge/fetch.h"
#include "format/json.h"
#include "pages.h"

#include "base/banned.h"

#define PAGE_SIZE	50
#define PAGES		20	/* of a list, in one pass of the sweep */
#define GRACE_S		60	/* a webhook may be on its way still */
#define EDGE_S		300	/* our clock, our rows' times and Twilio's */
#define FORM_BYTES	(64 * 1024)
#define LIST_LAG_S	600	/* Twilio's lists are eventually consistent */

struct field {
	const char	*member, *name;		/* of a list; of a webhook */
};
static const struct field call_fields[] = {
	{ "sid", "CallSid" }, { "account_sid", "AccountSid" },
	{ "from", "From" }, { "to", "To" }, { "status", "CallStatus" },
	{ "direction", "Direction" }, { "duration", "CallDuration" },
	{ "parent_call_sid", "ParentCallSid" },
	{ "answered_by", "AnsweredBy" }, { "caller_name", "CallerName" },
	{ "forwarded_from", "ForwardedFrom" }, { NULL, NULL },
};
static const struct field message_fields[] = {
	{ "sid", "MessageSid" }, { "account_sid", "AccountSid" },
	{ "from", "From" }, { "to", "To" }, { "body", "Body" },
	{ "status", "MessageStatus" }, { "direction", "Direction" },
	{ "num_segments", "NumSegments" }, { "num_media", "NumMedia" },
	{ "messaging_service_sid", "MessagingServiceSid" },
	{ "error_code", "ErrorCode" }, { NULL, NULL },
};
static const struct field recording_fields[] = {
	{ "sid", "RecordingSid" }, { "account_sid", "AccountSid" },
	{ "call_sid", "CallSid" }, { "status", "RecordingStatus" },
	{ "media_url", "RecordingUrl" }, { "duration", "RecordingDuration" },
	{ "channels", "RecordingChannels" }, { "source", "RecordingSource" },
	{ "track", "RecordingTrack" }, { "start_time", "RecordingStartTime" },
	{ "error_code", "ErrorCode" }, { NULL, NULL },
};

static const struct {
	const char		*member;	/* of an answer */
	const char		*peer;
	const struct field	*fields;
	const char		*route;
} lists[LOOKS] = {
	[LOOK_CALLS] = { "calls", "to", call_fields, "/api/twilio/status" },
	[LOOK_MESSAGES] = { "messages", "to", message_fields,
	    "/api/twilio/status" },
	[LOOK_RECORDINGS] = { "recordings", "call_sid", recording_fields,
	    "/api/twilio/recording-status" },
};

/* One list of one account, and how far we are in it. */
struct reading {
	struct reconcile	*r;
	struct mem		*m;		/* of the account */
	const struct account	*account;
	const cJSON		*own;		/* our numbers */
	enum look_list		 list;
	struct look		 look;
	cJSON			*sids;		/* seen */
	bool			 whole;		/* from the first page on */
};

static bool
is_outbound(const cJSON *item)
{
	const char *direction = json_text(item, "direction");

	return direction != NULL && text_starts(direction, "outbound");
}

/* Of what our own TwiML asked for no webhook tells. */
static bool
is_told(const cJSON *item)
{
	const char *direction = json_text(item, "direction");

	return direction == NULL || strcmp(direction, "outbound-reply") != 0;
}

/* Whose a recording is, its call tells. */
static bool
is_ours(const struct reading *g, const cJSON *item)
{
	const char *ours = json_text(item, is_outbound(item) ? "from" : "to");
	const char *service = json_text(item, "messaging_service_sid");

	return g->list == LOOK_RECORDINGS ||
	    (ours != NULL && json_get(g->own, ours) != NULL) ||
	    (service != NULL && json_get(g->own, service) != NULL);
}

/* What the webhook would have said. */
static const char *
as_form(struct mem *m, const struct field *f, const cJSON *item)
{
	struct buf *b = buf_new(m, FORM_BYTES);

	for (; f->name != NULL; f++) {
		const cJSON	*v = json_get(item, f->member);
		const char	*text = cJSON_IsString(v) ? v->valuestring :
				    cJSON_IsNumber(v) ? mem_printf(m, "%.0f",
				    v->valuedouble) : NULL;

		if (text != NULL)
			fetch_encode(b, f->name, text);
	}
	return b->s;
}

static bool
take_in(const struct reading *g, struct mem *m, const cJSON *item, time_t at,
    bool *fresh, struct err *e)
{
	struct event	 ev = {
		.route = g->list == LOOK_MESSAGES && !is_outbound(item) ?
		    "/api/twilio/sms" : lists[g->list].route,
		.body = as_form(m, lists[g->list].fields, item),
		.source = "reconcile",
		.received_at = clock_rfc3339(m, at),
		.verified = true,
	};
	struct form	*form;

	ev.uri = ev.route;
	ev.body_bytes = strlen(ev.body);
	if (!form_parse(&form, m, ev.body, ev.body_bytes, e))
		return false;
	ev.form = form;
	return event_read(&ev, m, e) && store_event(g->r->store, m, &ev,
	    fresh, e);
}

static time_t
made_at(const cJSON *item)
{
	const char *date = json_text(item, "date_created");

	return date == NULL ? -1 : curl_getdate(date, NULL);
}

/* A page as look_news() takes it. *older: all of it is from before the look's
 * time. */
static const char *
describe(struct reading *g, struct mem *m, const cJSON *items, bool *older)
{
	const long	 grace = g->r->since_s != 0 ? 0 : GRACE_S;
	cJSON		*page = json_array(m), *o;
	const cJSON	*item;
	int		 n = -1;

	*older = true;
	cJSON_ArrayForEach(item, items) {
		const time_t	 at = made_at(item);
		const char	*sid = json_text(item, "sid");

		n++;
		if (at < g->look.since_s || sid == NULL)
			continue;
		*older = false;
		json_add_text(g->sids, NULL, sid);
		g->r->found[g->list].listed += is_ours(g, item);
		if (at > g->look.began_s - grace)
			continue;
		o = cJSON_CreateObject();
		json_add_number(o, "n", n);
		json_add_text(o, "sid", sid);
		json_add_text(o, "status", json_text(item, "status"));
		json_add_text(o, "peer", json_text(item,
		    lists[g->list].peer));
		json_add_bool(o, "ours", is_ours(g, item));
		json_add_text(o, "created", clock_rfc3339(m, at));
		json_add(page, NULL, o);
	}
	return json_print(m, page);
}

static bool
read_page(struct reading *g, struct mem *m, const cJSON *items, bool *older,
    struct err *e)
{
	const char		*page = describe(g, m, items, older);
	struct look_news	*news;
	size_t			 count;
	bool			 fresh;

	if (!look_news(g->r->store, m, g->list, page, &news, &count, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		const cJSON *item = cJSON_GetArrayItem(items,
		    (int)news[i].n);

		if (take_in(g, m, item, made_at(item), &fresh, e)) {
			if (!fresh)
				;	/* known, and taken away by hand */
			else if (g->look.first || !is_told(item))
				g->r->found[g->list].imported++;
			else if (news[i].known)
				g->r->found[g->list].late++;
			else
				g->r->found[g->list].missed++;
		} else if (e->kind != ERR_DOWN) {
			log_warn("not taken from Twilio's list", "sid=%s why=%s",
			    json_text(item, "sid"), log_quote(e->text));
		} else {
			return false;
		}
	}
	return true;
}

static bool
count_orphans(struct reading *g, struct err *e)
{
	const char	**sids;
	size_t		  count;

	if (!look_orphans(g->r->store, g->m, g->list, g->account->sid,
	    g->look.since_s + EDGE_S, g->look.began_s - LIST_LAG_S,
	    json_print(g->m, g->sids), &sids, &count, e))
		return false;
	g->r->found[g->list].orphans += count;
	for (size_t i = 0; i < count && i < 10; i++)
		log_warn("here, but not at Twilio", "list=%s sid=%s",
		    look_name(g->list), sids[i]);
	return true;
}

/* Pages from where the look is; by hand all of them. */
static bool
read_pages(struct reading *g, struct err *e)
{
	struct reconcile	*r = g->r;
	const bool		 by_hand = r->since_s != 0;
	const size_t		 most = by_hand || g->look.first ||
				    g->look.deep ? PAGES_LARGEST : PAGE_SIZE;
	const char		*page = g->look.page;

	g->whole = page == NULL;
	for (int i = 0; by_hand || i < PAGES; i++) {
		struct mem	*own = mem_new();
		const char	*next = NULL;
		cJSON		*root;
		bool		 older = false, ok;

		ok = pages_get(r->cfg, own, g->account, look_name(g->list),
		    NULL, NULL, page, most, &root, &next, &r->reached, e) &&
		    read_page(g, own, json_get(root,
		    lists[g->list].member), &older, e);
		page = ok && !older ? mem_dup(g->m, next) : NULL;
		mem_free(own);
		/* A page that is not there any more: from the first again. */
		if (!ok && (e->kind == ERR_NOT_FOUND || e->kind == ERR_INPUT) &&
		    g->look.page != NULL && !look_page_done(r->store, g->m, r->cfg, g->account->sid,
		    g->list, NULL, e))
			return false;
		if (!ok)
			return false;
		if (page == NULL)
			return (!g->whole || g->look.first ||
			    !(by_hand || g->look.deep) ||
			    count_orphans(g, e)) && (by_hand ||
			    look_end(r->store, g->m, g->account->sid, g->list,
			    e));
		if (!by_hand && !look_page_done(r->store, g->m, r->cfg,
		    g->account->sid, g->list, page, e))
			return false;
	}
	return true;
}

/* What is older than it may get is not taken in to be erased again. */
static void
leave_old(const struct cfg *cfg, struct look *l)
{
	const long oldest = l->began_s - cfg->retention_days * 86400;

	if (cfg->retention_days != 0 && l->since_s < oldest)
		l->since_s = oldest;
}

static bool
unread(const struct account *a, const struct err *e)
{
	log_warn("not reconciled, will look again", "account=%s why=%s",
	    a->sid, log_quote(e->text));
	return false;
}

static bool
read_account(struct reconcile *r, struct mem *m, const struct account *a,
    struct err *e)
{
	struct reading	 g = { .r = r, .m = m, .account = a };
	cJSON		*own = NULL;
	bool		 mine, ok = true;

	for (g.list = LOOK_CALLS; g.list < LOOKS; g.list++) {
		g.look = (struct look){ .since_s = r->since_s,
		    .began_s = time(NULL) };
		if (r->since_s == 0 && !look_begin(r->store, m, r->cfg, a->sid,
		    g.list, &g.look, &mine, e))
			return unread(a, e);
		if (r->since_s == 0 && !mine)
			continue;
		leave_old(r->cfg, &g.look);
		if (own == NULL) {
			own = json_object(m);
			if (!pages_own_numbers(r->cfg, r->store, m, a, own,
			    &r->reached, e))
				return unread(a, e);
		}
		g.own = own;
		g.sids = json_array(m);
		/* What is wrong with one list may be right with the next. */
		if (!read_pages(&g, e)) {
			ok = unread(a, e);
			if (e->kind == ERR_DOWN || e->kind == ERR_AUTH)
				break;
		}
	}
	return ok;
}

static void
report(const struct reconcile *r)
{
	for (enum look_list k = LOOK_CALLS; k < LOOKS; k++) {
		if (r->found[k].imported + r->found[k].missed +
		    r->found[k].late + r->found[k].orphans != 0)
			log_at(r->found[k].missed + r->found[k].late != 0 ?
			    LEVEL_WARN : LEVEL_INFO, "found at Twilio",
			    "list=%s listed=%zu imported=%zu missed=%zu "
			    "late=%zu orphans=%zu", look_name(k),
			    r->found[k].listed, r->found[k].imported,
			    r->found[k].missed, r->found[k].late,
			    r->found[k].orphans);
		metric_add(METRIC_MISSED, r->found[k].missed);
		metric_add(METRIC_LATE, r->found[k].late);
	}
}

bool
reconcile_all(struct reconcile *r, struct err *e)
{
	struct account	 a;
	bool		 ok = true;

	for (size_t i = 0; ok; i++) {
		struct mem *m = mem_new();

		if (!account_at(r->cfg, m, i, &a)) {
			mem_free(m);
			break;
		}
		if (!read_account(r, m, &a, e)) {
			ok = e->kind != ERR_DOWN;
			r->failed = true;
			if (e->kind == ERR_AUTH && i == 0)
				(void)snprintf(r->refused, sizeof(r->refused),
				    "%.250s", e->text);
		}
		mem_free(m);
	}
	report(r);
	return ok;
}
