/* SPDX-License-Identifier: ISC */
/* health: alive, ready, and how much of everything. */
#include "app.h"

#include "base/metric.h"
#include "domain/archive.h"
#include "edge/spool.h"
#include "format/json.h"

#include "base/banned.h"

bool
health_alive(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	(void)app, (void)q, (void)e;
	answer_json(r, 200, "status", "\"alive\"");
	return true;
}

/* Webhooks waiting on this machine's disk; -1 when they cannot be seen. */
static double
spool_depth(struct app *app, struct mem *m)
{
	char		**names;
	struct err	  e;
	size_t		  n = 0;

	if (!spool_list(m, app->cfg->spool_dir, &names, &e))
		return -1;
	while (names[n] != NULL)
		n++;
	return (double)n;
}

bool
health_ready(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	struct archive_backlog	 b = { 0 };
	bool			 up = archive_backlog(app->store, q->m, &b, e);
	cJSON			*o = json_object(q->m);

	json_add_bool(o, "success", up);
	json_add_text(o, "database", up ? "ok" : "away");
	json_add_number(o, "spooledWebhooks", spool_depth(app, q->m));
	if (up) {
		json_add_number(o, "recordingsDue", (double)b.due);
		json_add_number(o, "oldestDueSeconds", (double)b.oldest_due_s);
		json_add_number(o, "recordingsGivenUp", (double)b.dead);
		json_add_number(o, "sendsUnsettled", (double)b.unsettled);
		json_add_text(o, "servicesPaused", b.paused);
	}
	r->status = up ? 200 : 503;
	r->type = "application/json";
	buf_printf(r->body, "%s\n", json_print(q->m, o));
	return true;
}

bool
health_metrics(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	struct archive_backlog	b;
	bool			up = archive_backlog(app->store, q->m, &b, e);

	r->type = "text/plain; version=0.0.4; charset=utf-8";
	metric_print(r->body);
	metric_print_gauge(r->body, "ringback_database_up",
	    "whether the database answers", up);
	metric_print_gauge(r->body, "ringback_spooled_webhooks",
	    "webhooks waiting on disk, -1 unknown",
	    spool_depth(app, q->m));
	if (!up)
		return true;
	metric_print_gauge(r->body, "ringback_recordings_due",
	    "recordings that a sweep may take now", (double)b.due);
	metric_print_gauge(r->body, "ringback_oldest_due_seconds",
	    "how long the oldest of them has been due",
	    (double)b.oldest_due_s);
	metric_print_gauge(r->body, "ringback_recordings_given_up",
	    "recordings that need a person", (double)b.dead);
	metric_print_gauge(r->body, "ringback_sends_unsettled",
	    "calls and texts whose outcome is not known", (double)b.unsettled);
	metric_print_gauge(r->body, "ringback_services_paused",
	    "whether a service has refused our key or credit",
	    *b.paused != '\0');
	return true;
}
