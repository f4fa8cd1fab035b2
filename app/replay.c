/* SPDX-License-Identifier: ISC */
/* replay: the spool holds what a worker wrote while the database was away; the
 * fallback directory holds what nginx wrote while no worker answered, one
 * request a file. Nobody has checked those signatures yet. */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "domain/account.h"
#include "edge/http.h"
#include "edge/spool.h"
#include "format/kept.h"

#include "base/banned.h"

#define SETTLED_S	2	/* nginx may still be writing a younger file */
#define MAX_KEPT	(HTTP_MAX_BODY + 16384)
#define DEATHS		3	/* of whom to suspect an event */

/* Stores an event. ERR_DOWN: try again later; anything else: never will. */
static bool
take_in(struct replay *r, struct mem *m, struct event *ev, struct err *e)
{
	struct form	*form;
	bool		 fresh;

	if (ev->route == NULL)
		return err_set(e, ERR_INPUT, "not the path of a webhook");
	if (ev->form == NULL) {
		if (!form_parse(&form, m, ev->body, ev->body_bytes, e))
			return false;
		ev->form = form;
	}
	return event_read(ev, m, e) && store_event(r->store, m, ev, &fresh, e);
}

static bool
take_in_spooled(struct replay *r, struct mem *m, const char *bytes, size_t n,
    struct err *e)
{
	struct spool_record	 record;
	struct event		 ev = { .source = "spool" };

	if (!spool_parse(m, bytes, n, &record, e))
		return false;
	ev.route = event_route(record.route);
	ev.uri = record.uri;
	ev.body = record.body;
	ev.body_bytes = record.body_bytes;
	ev.received_at = record.received_at;
	ev.verified = strcmp(record.verified, "yes") == 0;
	return take_in(r, m, &ev, e);
}

static bool
take_in_kept(struct replay *r, struct mem *m, const char *bytes, size_t n,
    const char *came_at, struct err *e)
{
	struct event	 ev = { .source = "fallback", .received_at = came_at };
	struct form	*form;
	struct kept	 k;

	if (!kept_parse(&k, m, bytes, n, e))
		return false;
	ev.uri = k.uri;
	ev.route = event_route(mem_dup_n(m, k.uri, strcspn(k.uri, "?")));
	ev.body = k.body;
	ev.body_bytes = k.body_bytes;
	if (!form_parse(&form, m, ev.body, ev.body_bytes, e) ||
	    !account_check(r->cfg, m, k.uri, form, k.signature, &ev.verified,
	    e))
		return false;
	ev.form = form;
	return take_in(r, m, &ev, e);
}

/* Something for a person to see to; it holds up nothing else. */
static void
trouble(struct replay *r, const char *what, const char *name,
    const struct err *e)
{
	log_error(what, "file=%s why=%s", log_quote(name), log_quote(e->text));
	r->refused++;
}

/* Did passes before us die with this in hand, one after the other? Then it is
 * a dead letter unread, or no event behind it would ever be stored. */
static bool
is_deadly(struct replay *r, const char *name, struct err *e)
{
	long times = strcmp(name, r->noted) == 0 ? r->times + 1 : 1;

	if (r->lock >= 0)
		spool_note(r->lock, name, times);
	return times > DEATHS && !err_set(e, ERR_INPUT,
	    "%d sweeps died with it in hand", DEATHS);
}

/* Never will be stored: into the journal with it, where a person finds it. */
static bool
bury(struct replay *r, struct mem *m, const char *source, const char *name,
    const char *bytes, size_t n, const char *came_at, struct err *e)
{
	struct err why = *e;

	if (!journal_bury(r->store, m, source, bytes, n, why.text, came_at, e))
		return false;
	trouble(r, "refused; the journal has it", name, &why);
	return true;
}

/* True: it is dealt with, one way or another. */
static bool
replay_spooled(struct replay *r, struct mem *m, const char *name,
    struct err *e)
{
	const char	*dir = r->cfg->spool_dir;
	char		*bytes;
	size_t		 n;

	if (!spool_read(m, dir, name, &bytes, &n, e)) {
		trouble(r, e->kind == ERR_INPUT ? "no spooled event, set aside "
		    "in bad/" : "spooled event not read", name, e);
		if (e->kind == ERR_INPUT)
			spool_bad(m, dir, name);
		return true;
	}
	if (!is_deadly(r, name, e) && take_in_spooled(r, m, bytes, n, e))
		r->stored++;
	else if (e->kind != ERR_INPUT || !bury(r, m, "spool", name, bytes, n,
	    NULL, e))
		return false;
	spool_done(m, dir, name);
	return true;
}

/* The same, for a file of nginx's. */
static bool
replay_kept(struct replay *r, struct mem *m, const char *name, struct err *e)
{
	const char	*dir = r->cfg->fallback_dir;
	const char	*path = mem_printf(m, "%s/%s", dir, name);
	struct stat	 st;
	char		*bytes, *came_at;
	size_t		 n;

	/* One from the future is from before the clock was set back. */
	if (lstat(path, &st) != 0 ||
	    labs((long)(time(NULL) - st.st_mtime)) < SETTLED_S)
		return true;	/* the next pass will see */
	came_at = clock_rfc3339(m, st.st_mtime);
	if (!spool_read_file(m, path, MAX_KEPT, &bytes, &n, e)) {
		trouble(r, e->kind == ERR_INPUT ? "no request, set aside" :
		    "request kept by nginx not read", name, e);
		if (e->kind == ERR_INPUT)
			(void)rename(path, mem_printf(m, "%s/.bad-%s", dir,
			    name));
		return true;
	}
	if (!is_deadly(r, name, e) &&
	    take_in_kept(r, m, bytes, n, came_at, e))
		r->stored++;
	else if ((e->kind != ERR_INPUT && e->kind != ERR_FORBIDDEN &&
	    e->kind != ERR_TOO_LARGE) || !bury(r, m, "fallback", name, bytes,
	    n, came_at, e))
		return false;
	(void)unlink(path);
	return true;
}

/* Every name in turn. Only a database that is away ends it. */
static bool
each(struct replay *r, char **names, const char *what, bool (*replay_one)(
    struct replay *, struct mem *, const char *, struct err *), struct err *e)
{
	for (; *names != NULL; names++) {
		struct mem	*own = mem_new();
		bool		 ok = replay_one(r, own, *names, e);

		mem_free(own);
		if (!ok && e->kind == ERR_DOWN)
			return false;
		if (!ok)
			trouble(r, what, *names, e);
	}
	return true;
}

bool
replay_waiting(struct replay *r, struct err *e)
{
	const struct cfg *cfg = r->cfg;
	struct mem	 *m;
	char		**names;
	bool		  ok = true;

	m = mem_new();
	r->noted = "";
	if (!spool_lock(cfg->spool_dir, &r->lock, e)) {
		trouble(r, "spool not locked", cfg->spool_dir, e);
	} else if (r->lock < 0) {
		mem_free(m);	/* another sweep on this machine is at it */
		return true;
	} else {
		r->noted = spool_noted(m, r->lock, &r->times);
	}
	if (r->lock < 0)
		;
	else if (!spool_list(m, cfg->spool_dir, &names, e))
		trouble(r, "spool not read", cfg->spool_dir, e);
	else
		ok = each(r, names, "spooled event not replayed",
		    replay_spooled, e);
	if (!ok)
		;
	else if (!spool_names(m, cfg->fallback_dir, &names, e))
		trouble(r, "fallback not read", cfg->fallback_dir, e);
	else
		ok = each(r, names, "request kept by nginx not replayed",
		    replay_kept, e);
	if (r->lock >= 0) {
		spool_note(r->lock, NULL, 0);
		(void)close(r->lock);
	}
	mem_free(m);
	return ok;
}

bool
replay_entry(struct replay *r, struct mem *m, const struct journal_entry *j,
    struct err *e)
{
	struct event	ev = {
		.route = event_route(j->route),
		.uri = j->uri,
		.body = j->body,
		.body_bytes = j->body_bytes,
		.source = "replay",
		.received_at = j->received_at,
		.verified = strcmp(j->verdict, "unverified") != 0,
	};
	bool		dead = strcmp(j->verdict, "refused") == 0, ok;

	if (j->body == NULL)
		return err_set(e, ERR_INPUT, "entry %s is so old that only "
		    "its outline is left (JOURNAL_DAYS)", j->id);
	ok = !dead ? take_in(r, m, &ev, e) :
	    strcmp(j->source, "spool") == 0 ?
	    take_in_spooled(r, m, j->body, j->body_bytes, e) :
	    take_in_kept(r, m, j->body, j->body_bytes, j->received_at, e);
	if (!ok)
		return false;
	r->stored++;
	return !dead || journal_unbury(r->store, m, j->id, e);
}
