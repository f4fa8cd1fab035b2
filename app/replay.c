/* SPDX-License-Identifier: ISC */
/* replay: events that could not go straight to the database. The spool holds
 * what a worker wrote while the database was away; the fallback directory
 * holds what nginx wrote while no worker answered, one request a file:
 * URI, signature, body, a newline. Nobody has checked those signatures yet. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "domain/account.h"
#include "edge/spool.h"
#include "edge/http.h"
#include "sweep.h"

#include "base/banned.h"

#define SETTLED_S	2	/* nginx may still be writing a younger file */
#define MAX_KEPT	(HTTP_MAX_BODY + 16384)

/* Stores an event. ERR_DOWN: try again later; anything else: never will. */
static bool
take_in(struct sweep *s, struct mem *m, struct event *ev, struct err *e)
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
	return event_read(ev, m, e) && store_event(s->store, m, ev, &fresh, e);
}

static bool
replay_spooled(struct sweep *s, struct mem *m, const char *name,
    struct err *e)
{
	struct spool_record	 r;
	struct event		 ev = { .source = "spool" };

	if (!spool_get(m, s->cfg->spool_dir, name, &r, e))
		return false;
	ev.route = event_route(r.route);
	ev.uri = r.uri;
	ev.body = r.body;
	ev.body_bytes = r.body_bytes;
	ev.received_at = r.received_at;
	ev.verified = strcmp(r.verified, "yes") == 0;
	return take_in(s, m, &ev, e);
}

/* Something for a person to put right; it holds up nothing else. */
static void
trouble(struct sweep *s, const char *what, const char *name,
    const struct err *e)
{
	log_error(what, "file=%s why=%s", log_quote(name), log_quote(e->text));
	s->failed++;
}

static bool
replay_spool(struct sweep *s, struct mem *m, struct err *e)
{
	char **names;

	if (!spool_list(m, s->cfg->spool_dir, &names, e)) {
		trouble(s, "spool not read", s->cfg->spool_dir, e);
		return true;
	}
	for (; *names != NULL; names++) {
		struct mem	*own = mem_new();
		bool		 ok = replay_spooled(s, own, *names, e);

		mem_free(own);
		if (ok) {
			spool_done(s->cfg->spool_dir, *names);
			s->replayed++;
		} else if (e->kind == ERR_INPUT) {
			trouble(s, "spooled event set aside in bad/", *names,
			    e);
			spool_bad(s->cfg->spool_dir, *names);
		} else if (e->kind == ERR_DOWN) {
			return false;
		} else {
			trouble(s, "spooled event not replayed", *names, e);
		}
	}
	return true;
}

static const char *
path_of(struct mem *m, const char *uri)
{
	return mem_dup_n(m, uri, strcspn(uri, "?"));
}

static bool
replay_kept(struct sweep *s, struct mem *m, const char *path,
    const struct stat *st, struct err *e)
{
	struct event	 ev = { .source = "fallback" };
	struct form	*form;
	struct tm	 tm;
	char		*p, *end, *uri, *signature, stamp[32];
	size_t		 bytes;

	if (!spool_read_file(m, path, MAX_KEPT, &p, &bytes, e))
		return false;
	end = p + bytes;
	if ((uri = text_take_line(&p, end)) == NULL ||
	    (signature = text_take_line(&p, end)) == NULL || end == p ||
	    end[-1] != '\n')
		return err_set(e, ERR_INPUT, "the file is cut short");
	ev.uri = uri;
	ev.route = event_route(path_of(m, uri));
	ev.body = p;
	ev.body_bytes = (size_t)(end - p) - 1;
	(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ",
	    gmtime_r(&st->st_mtime, &tm));
	ev.received_at = stamp;
	if (!form_parse(&form, m, ev.body, ev.body_bytes, e) ||
	    !account_check(s->cfg, m, uri, form, signature, &ev.verified, e))
		return false;
	ev.form = form;
	return take_in(s, m, &ev, e);
}

/* Refused files stay, hidden, for a person to look at. */
static void
set_aside(struct sweep *s, struct mem *m, const char *name,
    const struct err *e)
{
	const char *dir = s->cfg->fallback_dir;

	trouble(s, "request kept by nginx refused", name, e);
	(void)rename(mem_printf(m, "%s/%s", dir, name),
	    mem_printf(m, "%s/.refused-%s", dir, name));
}

static bool
replay_fallback(struct sweep *s, struct mem *m, struct err *e)
{
	char		**names;
	struct stat	  st;

	if (!spool_names(m, s->cfg->fallback_dir, &names, e)) {
		trouble(s, "fallback not read", s->cfg->fallback_dir, e);
		return true;
	}
	for (; *names != NULL; names++) {
		struct mem	*own = mem_new();
		const char	*path = mem_printf(own, "%s/%s",
				    s->cfg->fallback_dir, *names);
		bool		 down = false;

		if (lstat(path, &st) != 0 ||
		    st.st_mtime + SETTLED_S > time(NULL)) {
			;	/* the next pass will see */
		} else if (replay_kept(s, own, path, &st, e)) {
			(void)unlink(path);
			s->replayed++;
		} else if (e->kind == ERR_INPUT || e->kind == ERR_FORBIDDEN ||
		    e->kind == ERR_TOO_LARGE) {
			set_aside(s, own, *names, e);
		} else if (!(down = e->kind == ERR_DOWN)) {
			trouble(s, "request kept by nginx not replayed",
			    *names, e);
		}
		mem_free(own);
		if (down)
			return false;
	}
	return true;
}

bool
replay_all(struct sweep *s, struct err *e)
{
	struct mem	*m;
	int		 lock;
	bool		 ok;

	if (!spool_lock(s->cfg->spool_dir, &lock, e))
		trouble(s, "spool not locked", s->cfg->spool_dir, e);
	else if (lock < 0)
		return true;	/* another sweep on this machine is at it */
	m = mem_new();
	ok = replay_spool(s, m, e) && replay_fallback(s, m, e);
	if (lock >= 0)
		(void)close(lock);
	mem_free(m);
	return ok;
}
