/* SPDX-License-Identifier: ISC */
/* ringback-worker: one FastCGI worker. Its listening socket is file
 * descriptor 0; it takes one request at a time, on one database connection of
 * its own, for ever. Who starts it again when it dies is systemd, or
 * spawn-fcgi with multiwatch. */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "edge/fcgi.h"
#include "edge/sandbox.h"
#include "edge/spool.h"

#include "base/banned.h"

/* What a webhook may wait for the database, all in all: nginx tries three
 * times within the 15 s that Twilio waits. Then it is spooled (FAULTS 5.7). */
#define HOOK_MS		3000

static void
count(const struct app *app, int status, long ms)
{
	static const enum metric by_class[2][3] = {
		{ METRIC_HOOKS_2XX, METRIC_HOOKS_4XX, METRIC_HOOKS_5XX },
		{ METRIC_API_2XX, METRIC_API_4XX, METRIC_API_5XX },
	};
	bool api = app->pool == CFG_API;

	metric_add(by_class[api][status >= 500 ? 2 : status >= 400], 1);
	metric_add(api ? METRIC_API_MS : METRIC_HOOKS_MS, (uint64_t)ms);
}

static const char *
or_dash(const char *s)
{
	return s == NULL ? "-" : s;
}

static void
write_line(const struct request *q, const struct http_response *r, long ms,
    const struct err *e)
{
	char		 status[TEXT_DECIMAL_BYTES];
	char		 took[TEXT_DECIMAL_BYTES];
	char		 bytes[TEXT_DECIMAL_BYTES];
	const struct log_pair pairs[] = {
		LOG_PAIR("method", or_dash(q->http.method)),
		LOG_PAIR("path", log_quote(or_dash(q->route))),
		LOG_PAIR("status", text_decimal(status, (unsigned)r->status)),
		LOG_PAIR("ms", text_decimal(took, (unsigned long)ms)),
		LOG_PAIR("bytes", text_decimal(bytes, r->body->len)),
		LOG_PAIR("sid", or_dash(q->sid)),
		LOG_PAIR("kept", or_dash(q->kept)),
		LOG_PAIR("error", e == NULL ? NULL : log_quote(e->text)),
	};

	log_pairs(r->status >= 500 ? LEVEL_ERROR : LEVEL_INFO, "request",
	    pairs, sizeof(pairs) / sizeof(pairs[0]) - (e == NULL));
}

static void
serve(struct app *app, FCGX_Request *fcgi)
{
	struct request		 q = { .m = mem_new() };
	struct http_response	 r;
	const long		 start_ms = clock_ms();
	struct err		 e;
	long			 ms;
	bool			 ok, refused, said;

	if (app->pool == CFG_HOOKS)
		store_until(app->store, start_ms + HOOK_MS);
	err_clear(&e);
	http_response_init(&r, q.m);
	ok = http_open(&q.http, q.m, fcgi, &e);
	if (q.http.id != NULL)
		log_request(q.http.id);
	ok = ok && route_serve(app, &q, &r, &e);
	if (!ok)
		answer_error(&q, &r, &e);
	/* Refusals, of which nginx has a line too, are anybody's to cause. */
	refused = r.status >= 400 && r.status < 500;
	said = !refused || log_may(LEVEL_INFO, "request");
	if (refused)
		http_header(&r, "X-Log", said ? "yes" : "no");
	http_send(&q.http, &r);
	ms = clock_ms() - start_ms;
	count(app, r.status, ms);
	if (said)
		write_line(&q, &r, ms, ok ? NULL : &e);
	log_request(NULL);
	http_close(&q.http);
	mem_free(q.m);
}

static void
usage(FILE *to)
{
	(void)fprintf(to, "usage: ringback-worker [-f env-file] hooks|api\n"
	    "       ringback-worker --help | --version\n");
}

static enum cfg_program
pool_of(const char *name)
{
	return strcmp(name, "hooks") == 0 ? CFG_HOOKS :
	    strcmp(name, "api") == 0 ? CFG_API : 0;
}

/* The settings, or the reasons why not and exit 78. */
static struct cfg *
configure(struct mem *m, const char *file, enum cfg_program pool)
{
	struct buf	*problems = buf_new(m, 65536);
	struct cfg	*cfg;

	if (cfg_load(&cfg, m, file, pool, problems))
		return cfg;
	(void)fprintf(stderr, "ringback-worker: the configuration has "
	    "errors; nothing was started:\n%s", problems->s);
	exit(CFG_EXIT);
}

/* What starting took and nothing will take again: of the heap, and of the
 * stack, where the check of settings (glibc's regexec()) goes 12 KB deeper than
 * any request. A page is left for whoever is called from here. */
static void
let_go(void)
{
	const size_t	 page = (size_t)sysconf(_SC_PAGESIZE);
	char		*here = __builtin_frame_address(0);
	char		*top = here - (uintptr_t)here % page - page;

	(void)malloc_trim(0);
	(void)madvise(top - 8 * page, 8 * page, MADV_DONTNEED);
}

static int
run(struct app *app)
{
	struct fcgi	*fcgi;
	FCGX_Request	*request;
	struct err	 e;

	(void)signal(SIGPIPE, SIG_IGN);
	if (!store_check(app->store, &e)) {
		log_error("database", "why=%s", log_quote(e.text));
		if (e.kind == ERR_CONFIG)
			return CFG_EXIT;
	}
	if (!fcgi_open(&fcgi, app->m, 0, &e)) {
		log_error("no requests", "why=%s", log_quote(e.text));
		return 1;
	}
	log_hold();
	while ((request = fcgi_next(fcgi, &e)) != NULL)
		serve(app, request);
	if (e.kind != ERR_NONE)
		log_error("no more requests", "why=%s", log_quote(e.text));
	return e.kind != ERR_NONE;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	const struct rlimit	 no_core = { 0, 0 };
	struct mem		*m;
	struct app		 app = { 0 };
	const char		*file = NULL;
	struct err		 e;
	int			 c, status;

	while ((c = getopt_long(argc, argv, "f:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			file = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			(void)printf("ringback-worker %s\n", VERSION);
			return 0;
		default:
			usage(stderr);
			return 64;
		}
	}
	if (optind + 1 != argc || (app.pool = pool_of(argv[optind])) == 0) {
		usage(stderr);
		return 64;
	}
	app.m = m = mem_new();
	(void)umask(0007);	/* see spool.h */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	app.cfg = configure(m, file, app.pool);
	log_init(app.pool == CFG_HOOKS ? "ringback-hooks" : "ringback-api",
	    (enum log_level)app.cfg->log_level);
	if (app.cfg->environment == CFG_DEVELOPMENT)
		log_warn("RINGBACK_ENV=development: webhook signatures are "
		    "NOT checked; anybody can post calls and texts", "%s", "");
	if (!sandbox_user(app.pool, &e)) {
		log_error("sandbox", "why=%s", log_quote(e.text));
		return CFG_EXIT;
	}
	srandom((unsigned)time(NULL) ^ (unsigned)getpid());
	metric_open(app.cfg->metrics_file);
	app.store = store_new(m, app.cfg, app.pool,
	    app.pool == CFG_HOOKS ? "ringback-hooks" : "ringback-api");
	if (app.pool == CFG_HOOKS && !spool_prepare(m, app.cfg->spool_dir,
	    (size_t)app.cfg->spool_reserve, &e))
		log_warn("spool", "why=%s", log_quote(e.text));
	sandbox_enter(app.cfg, app.pool);
	let_go();
	status = run(&app);
	mem_free(m);
	return status;
}
