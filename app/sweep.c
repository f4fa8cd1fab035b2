/* SPDX-License-Identifier: ISC */
/* ringback-sweep: one pass, started by cron every minute. Any number may run
 * at once on any number of machines: a recording is leased to one of them,
 * and what another has taken over is dropped, not stored twice. */
#include "sweep.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "domain/journal.h"
#include "domain/twilio.h"
#include "edge/sandbox.h"
#include "reconcile.h"
#include "replay.h"

#include "base/banned.h"

#define EXIT_SOME_FAILED	1
#define EXIT_USAGE		64	/* sysexits.h */
#define EXIT_LATER		75
#define DELETIONS		100	/* at Twilio, in one pass */
#define FORGET_BATCH		1000
#define FORGET_BATCHES		100	/* in one pass */

struct options {
	const char	*file;
	long		 jobs;		/* 0: SWEEP_JOBS */
	long		 limit;
	bool		 dry_run, verbose;
};

static volatile sig_atomic_t stopped;

static void
on_stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static void
usage(FILE *to)
{
	(void)fprintf(to,
	    "usage: ringback-sweep [-f env-file] [--jobs n] [--limit n] "
	    "[--dry-run] [--verbose]\n"
	    "       ringback-sweep --help | --version\n");
}

static bool
parse_options(int argc, char **argv, struct options *o, int *status)
{
	static const struct option longs[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "limit", required_argument, NULL, 'l' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int	c;
	bool	ok = true;

	*o = (struct options){ .limit = 1L << 30 };
	*status = EXIT_USAGE;
	while (ok && (c = getopt_long(argc, argv, "f:j:l:nvhV", longs,
	    NULL)) != -1) {
		switch (c) {
		case 'f':
			o->file = optarg;
			break;
		case 'j':
			ok = text_to_long(optarg, 1, 64, &o->jobs);
			break;
		case 'l':
			ok = text_to_long(optarg, 0, 1L << 30, &o->limit);
			break;
		case 'n':
			o->dry_run = true;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			usage(stdout);
			*status = 0;
			return false;
		case 'V':
			(void)printf("ringback-sweep %s\n", VERSION);
			*status = 0;
			return false;
		default:
			ok = false;
		}
	}
	ok = ok && optind == argc;
	if (!ok)
		usage(stderr);
	return ok;
}

static bool
dry_run(struct sweep *s, struct mem *m, long limit, struct err *e)
{
	struct due	*due;
	size_t		 count;

	if (!work_due(s->store, m, (size_t)limit, &due, &count, e))
		return false;
	for (size_t i = 0; i < count; i++)
		(void)printf("%s  %-8s  due for %ld s, %ld attempts%s%s\n",
		    due[i].recording_sid, due[i].step, due[i].overdue_s,
		    due[i].attempts, *due[i].last_error == '\0' ? "" : ": ",
		    due[i].last_error);
	(void)printf("%zu recordings are due; nothing was done\n", count);
	return true;
}

/* GUIDE: recordings are processed and not stored long-term. */
static void
delete_at_twilio(struct sweep *s, struct mem *m)
{
	struct leftover		*list;
	struct account		 account;
	struct fetch_request	 q;
	struct fetch_answer	 a;
	struct err		 e;
	size_t			 count;

	if (!work_to_delete(s->store, m, DELETIONS, &list, &count, &e))
		return;
	for (size_t i = 0; i < count; i++) {
		if (!account_find(s->cfg, m, list[i].account_sid == NULL ?
		    s->cfg->account_sid : list[i].account_sid, &account))
			continue;
		twilio_delete_recording(s->cfg, m, &account,
		    list[i].recording_sid, &q);
		fetch_one(m, &q, &a);
		if (a.status != 204 && a.status != 404) {
			log_warn("not deleted at Twilio, will try again",
			    "recording=%s status=%ld",
			    list[i].recording_sid, a.status);
			return;
		}
		if (!work_deleted(s->store, m, list[i].recording_sid, &e))
			return;
		if (s->chatty)
			log_info("deleted at Twilio", "recording=%s",
			    list[i].recording_sid);
	}
}

/* In small batches, each a commit of its own: no webhook waits for them. */
static void
forget(struct sweep *s, struct mem *m)
{
	const long	days = journal_days(s->cfg);
	struct err	e;
	size_t		count = FORGET_BATCH;
	bool		ok = journal_forget_sends(s->store, m, days, &e);

	for (int i = 0; ok && !stopped && count == FORGET_BATCH &&
	    i < FORGET_BATCHES; i++)
		ok = journal_forget(s->store, m, days, FORGET_BATCH, &count,
		    &e);
	if (!ok)
		log_warn("old webhooks not forgotten", "why=%s",
		    log_quote(e.text));
}

/* False: the database is away. */
static bool
replay(struct sweep *s, struct err *e)
{
	struct replay	r = { .cfg = s->cfg, .store = s->store };
	bool		ok = replay_waiting(&r, e);

	s->replayed = r.stored;
	s->failed += r.refused;
	return ok;
}

/* The third net, behind the webhook itself and what waits on disk. */
static void
reconcile(struct sweep *s)
{
	struct reconcile	r = { .cfg = s->cfg, .store = s->store };
	struct err		e;

	if (service_asleep(s, TWILIO))
		return;
	if (!reconcile_all(&r, &e))
		return;		/* the log has it, and the work will meet it */
	if (r.refused[0] != '\0')
		service_pause(s, TWILIO, mem_printf(s->m, "%s; check the key "
		    "and the account", r.refused));
	else if (r.reached)
		service_is_well(s, TWILIO);
	for (enum look_list k = LOOK_CALLS; k < LOOKS; k++)
		s->found += r.found[k].imported + r.found[k].missed +
		    r.found[k].late;
}

static int
summary(const struct sweep *s, long started_ms)
{
	unsigned	 outages = 0;
	const char	*paused = NULL;

	for (enum service i = TWILIO; i < SERVICES; i++) {
		outages += s->outages[i];
		if (service_asleep(s, i))
			paused = s->pauses[i].why;
	}
	metric_add(METRIC_DONE, s->done);
	metric_add(METRIC_SILENT, s->silent);
	metric_add(METRIC_FAILED, s->failed);
	metric_add(METRIC_LATER, s->later);
	metric_add(METRIC_REPLAYED, s->replayed);
	metric_add(METRIC_SWEEPS, 1);
	(void)printf("ringback-sweep: %zu done, %zu without speech, %zu "
	    "failed, %zu later, %zu events replayed, %zu found at Twilio in "
	    "%.1f s%s%s%s%s\n", s->done, s->silent, s->failed, s->later,
	    s->replayed, s->found,
	    (double)(clock_ms() - started_ms) / 1000,
	    s->stop[0] == '\0' ? "" : "; stopped: ", s->stop,
	    paused == NULL ? "" : "; paused: ", paused == NULL ? "" : paused);
	if (s->stop[0] != '\0' || paused != NULL)
		return EXIT_LATER;
	return s->failed != 0 ? EXIT_SOME_FAILED :
	    outages != 0 ? EXIT_LATER : 0;
}

/* What Twilio is asked, which may make more to do; a database that has gone
 * away meanwhile is met by the recordings. */
static void
look_at_twilio(struct sweep *s)
{
	struct err e;

	if (s->todo.sends && !service_asleep(s, TWILIO) && !settle_all(s, &e))
		log_warn("sends not settled", "why=%s", log_quote(e.text));
	if (s->todo.lists)
		reconcile(s);
	if ((s->todo.sends || s->todo.lists) &&
	    !chores_ask(s->store, s->cfg, &s->todo, &e))
		s->todo.due = true;
}

/* The exit status when the database cannot be used. */
static int
no_database(const struct err *e)
{
	(void)fprintf(stderr, "ringback-sweep: %s\n", e->text);
	return e->kind == ERR_CONFIG ? CFG_EXIT : EXIT_LATER;
}

static int
run(struct sweep *s, struct mem *m, const struct options *o)
{
	long		started_ms = clock_ms();
	struct err	e;

	if (!store_check(s->store, &e))
		return no_database(&e);
	if (o->dry_run) {
		if (dry_run(s, m, o->limit, &e))
			return 0;
		(void)fprintf(stderr, "ringback-sweep: %s\n", e.text);
		return EXIT_LATER;
	}
	if (!replay(s, &e) || !chores_ask(s->store, s->cfg, &s->todo, &e) ||
	    (s->todo.pauses && !services_load(s, &e))) {
		(void)snprintf(s->stop, sizeof(s->stop), "%.250s", e.text);
		return summary(s, started_ms);
	}
	look_at_twilio(s);
	if (s->todo.back)
		tidy_late(s);
	if (s->todo.leases)
		pass_recover(s, m);
	if (s->todo.due || s->again_ms != 0) {
		if (!store_check_all(s->store, &e) && e.kind == ERR_CONFIG)
			return no_database(&e);
		pass_work(s, (size_t)(o->jobs != 0 ? o->jobs : s->cfg->sweep_jobs),
		    (size_t)o->limit);
		s->todo.deletions = s->cfg->delete_recordings;
	}
	if (s->todo.deletions && s->stop[0] == '\0' &&
	    !service_asleep(s, TWILIO))
		delete_at_twilio(s, m);
	tidy_old(s);
	if (s->todo.journal)
		forget(s, m);
	return summary(s, started_ms);
}

int
main(int argc, char **argv)
{
	const struct rlimit	 no_core = { 0, 0 };
	struct sigaction	 sa = { .sa_handler = on_stop };
	struct mem		*m;
	struct buf		*problems;
	struct sweep		 s = { 0 };
	struct cfg		*cfg;
	struct options		 o;
	struct err		 e;
	int			 status;

	if (!parse_options(argc, argv, &o, &status))
		return status;
	(void)umask(0007);	/* see spool.h */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGINT, &sa, NULL);
	m = mem_new();
	problems = buf_new(m, 65536);
	if (!cfg_load(&cfg, m, o.file, CFG_SWEEP, problems)) {
		(void)fprintf(stderr, "ringback-sweep: the configuration has "
		    "errors; nothing was done:\n%s", problems->s);
		mem_free(m);
		return CFG_EXIT;
	}
	log_init("ringback-sweep", o.verbose ? LEVEL_DEBUG :
	    (enum log_level)cfg->log_level);
	if (!sandbox_user(CFG_SWEEP, &e)) {
		(void)fprintf(stderr, "ringback-sweep: %s\n", e.text);
		return CFG_EXIT;
	}
	metric_open(cfg->metrics_file);
	srandom((unsigned)time(NULL) ^ (unsigned)getpid());
	s.m = m;
	s.stopped = &stopped;
	s.cfg = cfg;
	s.chatty = o.verbose || isatty(STDERR_FILENO);
	s.store = store_new(m, cfg, CFG_SWEEP, "ringback-sweep");
	s.batch = store_batch(m, s.store);
	s.fetch = fetch_new(m);
	sandbox_enter(cfg, CFG_SWEEP);
	status = run(&s, m, &o);
	mem_free(m);
	return status;
}
