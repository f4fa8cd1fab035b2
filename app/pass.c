/* SPDX-License-Identifier: ISC */
/* pass: the recordings of one pass, from the first claim to the last. What is
 * to be stored for them, and what is claimed, goes to the database together,
 * and while it is there those whose turn it is not move on. */
#include "sweep.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#include "base/banned.h"

#define RECOVERED_MS	5200		/* sql_sweep.def: SQL_RECOVER */
#define RECONNECT_MS	1000
#define REST_MS		250		/* between claims that find too few */
#define LOOK_BACK_MS	5000		/* between claims that look at all */

static bool
on_claim(void *arg, const struct claim *c, size_t count, const struct err *e)
{
	struct sweep	*s = arg;
	const bool	 all = s->mark.id[0] == '\0';

	if (c == NULL)
		(void)snprintf(s->stop, sizeof(s->stop), "%.250s", e->text);
	s->none_left = all && count == 0 && s->running == 0;
	for (size_t i = 0; i < count; i++)
		job_start(s, mem_new(), &c[i]);
	s->claimed += count;
	work_mark(&s->mark, c, count);
	if (count < s->claiming) {
		s->mark = (struct work_mark){ "", "" };
		s->rest_ms = all ? clock_ms() + REST_MS : 0;
	}
	s->claiming = 0;
	mem_free(s->claim_mem);
	return false;
}

/* As many as can be started at once, when what goes along is stored. */
static void
claim(struct sweep *s, size_t jobs, size_t limit)
{
	const struct work_scope	scope = services_scope(s);
	const long		now = clock_ms();
	const size_t		busy = s->running - s->ending;
	size_t			room = services_jobs(s, jobs);

	room = s->stop[0] != '\0' || room <= busy ? 0 : room - busy;
	if (room > limit - s->claimed)
		room = limit - s->claimed;
	if (room == 0 || s->claiming != 0 || s->none_left ||
	    (s->running != 0 && now < s->rest_ms))
		return;
	if (now >= s->look_back_ms) {
		s->mark = (struct work_mark){ "", "" };
		s->look_back_ms = now + LOOK_BACK_MS;
	}
	s->claiming = room;
	s->claim_mem = mem_new();
	work_claim(s->batch, s->claim_mem, &scope, s->id, room, &s->mark,
	    on_claim, s);
}

/* Nothing is in flight: wait for what is due within seconds, once it is. */
static bool
wait_for_soon(struct sweep *s, long pass_end_ms)
{
	long now = clock_ms(), at = s->again_ms;

	s->again_ms = 0;
	if (at == 0 || at > pass_end_ms)
		return false;
	if (at > now)
		(void)usleep((useconds_t)(at - now) * 1000);
	s->none_left = false;
	return true;
}

/* What dead sweeps held will be free in some seconds; see work_recover(). */
void
pass_recover(struct sweep *s, struct mem *m)
{
	struct err	e;
	size_t		count;

	if (!work_recover(s->store, m, &count, &e))
		log_warn("leases not looked at", "why=%s", log_quote(e.text));
	else if (count != 0) {
		log_info("taking over from dead sweeps", "sweeps=%zu", count);
		s->again_ms = clock_ms() + RECOVERED_MS;
	}
}

/* Cut off from the database our leases are as good as given up: whoever
 * looks next takes them over, unless we say first that we are still here. */
static void
stay_connected(struct sweep *s)
{
	struct err	e;
	unsigned	session;
	bool		ok;

	store_until(s->store, clock_ms() + RECONNECT_MS);
	if (!(ok = store_check(s->store, &e)))
		log_debug("database", "why=%s", log_quote(e.text));
	store_until(s->store, 0);
	session = store_sessions(s->store);
	if (!ok || session == s->session)
		return;
	if (s->id == 0)
		s->id = store_lock(s->store);
	if (job_heartbeat(s))
		s->session = session;
}

void
pass_work(struct sweep *s, size_t jobs, size_t limit)
{
	const long	beat_ms = s->cfg->lease_secs * 1000 / 4;
	long		next_beat = clock_ms() + beat_ms;
	const long	patience = clock_ms() + 30000;
	struct err	e;
	short		events;
	int		socket;

	while (!*s->stopped) {
		if (s->id != 0 && clock_ms() >= next_beat) {
			(void)job_heartbeat(s);
			next_beat = clock_ms() + beat_ms;
		}
		batch_take(s->batch);
		if (!batch_is_out(s->batch)) {
			stay_connected(s);
			claim(s, jobs, limit);
			batch_send(s->batch);
		}
		if (s->running == 0 && batch_is_idle(s->batch) &&
		    (s->stop[0] != '\0' || s->claimed == limit ||
		    !wait_for_soon(s, patience)))
			break;
		socket = batch_socket(s->batch, &events);
		(void)fetch_wait(s->fetch, socket, events, 250);
	}
	if (*s->stopped) {
		job_release_all(s);
		(void)snprintf(s->stop, sizeof(s->stop), "stopped by a signal");
	}
	if (s->id != 0 && !work_leave(s->store, s->id, &e))
		log_debug("leases end by themselves", "why=%s",
		    log_quote(e.text));
}
