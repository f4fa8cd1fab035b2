/* SPDX-License-Identifier: ISC */
/* intake: a webhook is durable before it is answered. */
#include "app.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/metric.h"
#include "edge/spool.h"

#include "base/banned.h"

static const char *
stamp(struct mem *m)
{
	struct timespec	 now;
	struct tm	 tm;
	char		 text[32];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S",
	    gmtime_r(&now.tv_sec, &tm));
	return mem_printf(m, "%s.%06ldZ", text, now.tv_nsec / 1000);
}

static bool
spool(struct app *app, struct request *q, const struct event *ev,
    const struct err *why, struct err *e)
{
	const struct spool_record record = {
		.route = ev->route,
		.uri = ev->uri,
		.received_at = stamp(q->m),
		.verified = ev->verified ? "yes" : "no",
		.body = ev->body,
		.body_bytes = ev->body_bytes,
	};
	struct err trouble;

	if (!spool_put(q->m, app->cfg->spool_dir, &record, &trouble)) {
		metric_add(METRIC_KEPT_NOWHERE, 1);
		log_error("webhook kept nowhere", "database=%s spool=%s",
		    log_quote(why->text), log_quote(trouble.text));
		return err_set(e, ERR_DOWN,
		    "the event cannot be stored now; send it again");
	}
	log_warn("webhook spooled", "why=%s", log_quote(why->text));
	q->kept = "spool";
	metric_add(METRIC_KEPT_SPOOL, 1);
	return true;
}

bool
intake(struct app *app, struct request *q, struct err *e)
{
	struct event ev = {
		.route = event_route(q->http.path),
		.uri = q->http.uri,
		.form = q->form,
		.body = q->http.body,
		.body_bytes = q->http.body_bytes,
		.source = "http",
		.verified = q->verified,
	};
	struct err	why;
	bool		fresh;

	if (!event_read(&ev, q->m, e))
		return false;
	q->sid = ev.sid;
	if (!store_event(app->store, q->m, &ev, &fresh, &why))
		return spool(app, q, &ev, &why, e);
	q->kept = fresh ? "database" : "again";
	metric_add(fresh ? METRIC_KEPT_DATABASE : METRIC_KEPT_AGAIN, 1);
	return true;
}
