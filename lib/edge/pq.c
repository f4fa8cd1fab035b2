/* SPDX-License-Identifier: ISC */
/* pq: poll() around libpq. */
#include "edge/pq.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#include "base/banned.h"

static bool
wait_for(PGconn *c, short events, long deadline_ms)
{
	struct pollfd	p = { .fd = PQsocket(c), .events = events };
	long		left;
	int		n;

	do {
		if ((left = deadline_ms - clock_ms()) <= 0)
			return false;
		n = poll(&p, 1, (int)left);
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n > 0;
}

/* "a,b,c" from its second on: "b,c,a". One for all stays as it is. */
static const char *
rotated(struct mem *m, const char *list, unsigned first)
{
	const char	*p = list, *comma;
	unsigned	 count = 1;

	for (comma = list; (comma = strchr(comma, ',')) != NULL; comma++)
		count++;
	if ((first %= count) == 0)
		return list;
	while (first-- > 0)
		p = strchr(p, ',') + 1;
	return mem_printf(m, "%s,%.*s", p, (int)(p - list - 1), list);
}

/* The connection string's parameters, which of several hosts first, and ours. */
static PGconn *
start(struct mem *m, const char *url, const char *program, unsigned first)
{
	const struct { const char *key, *value; } ours[] = {
		{ "application_name", program }, { "client_encoding", "UTF8" },
		{ "connect_timeout", "2" }, { "keepalives_idle", "5" },
		{ "tcp_user_timeout", "3000" }, { NULL, NULL },
	};
	const char		*keys[64] = { NULL }, *values[64] = { NULL };
	PQconninfoOption	*given = PQconninfoParse(url, NULL);
	size_t			 n = 0;
	PGconn			*c;

	if (given == NULL)
		return NULL;	/* or libpq would take its defaults */
	for (PQconninfoOption *o = given; o->keyword != NULL && n < 50; o++) {
		if (o->val == NULL)
			continue;
		keys[n] = o->keyword;
		values[n++] = strcmp(o->keyword, "host") == 0 ||
		    strcmp(o->keyword, "hostaddr") == 0 ||
		    strcmp(o->keyword, "port") == 0 ?
		    rotated(m, o->val, first) : o->val;
	}
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++, n++) {
		keys[n] = ours[i].key;
		values[n] = ours[i].value;
	}
	c = PQconnectStartParams(keys, values, 0);
	PQconninfoFree(given);
	return c;
}

/* libpq would print it as it is, outside the log's lines. */
static void
on_notice(void *arg, const char *text)
{
	(void)arg;
	log_debug("the database remarks", "text=%s", log_quote(text));
}

/* One that is not said may be in a file of services, or in the environment. */
static bool
is_socket(const char *keyword, const char *value)
{
	if (strcmp(keyword, "service") == 0 || strcmp(keyword, "hostaddr") == 0)
		return value == NULL || *value == '\0';
	if (strcmp(keyword, "host") != 0)
		return true;
	if (value == NULL || *value == '\0')
		return getenv("PGHOST") == NULL &&
		    getenv("PGHOSTADDR") == NULL && getenv("PGSERVICE") == NULL;
	for (; value != NULL; value = strchr(value, ',')) {
		value += *value == ',';
		if (*value != '/' && *value != '@')
			return false;
	}
	return true;
}

bool
pq_is_local(const char *url)
{
	PQconninfoOption	*given = PQconninfoParse(url, NULL);
	bool			 local = given != NULL;

	for (PQconninfoOption *o = given; local && o->keyword != NULL; o++)
		local = is_socket(o->keyword, o->val);
	PQconninfoFree(given);
	return local;
}

PGconn *
pq_connect(const char *url, const char *program, unsigned first,
    long deadline_ms)
{
	struct mem			*m = mem_new();
	PGconn				*c = start(m, url, program, first);
	PostgresPollingStatusType	 state = PGRES_POLLING_WRITING;

	mem_free(m);
	if (c == NULL)
		return NULL;
	(void)PQsetNoticeProcessor(c, on_notice, NULL);
	while (PQstatus(c) != CONNECTION_BAD && state != PGRES_POLLING_OK &&
	    state != PGRES_POLLING_FAILED && wait_for(c,
	    state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms))
		state = PQconnectPoll(c);
	(void)PQsetnonblocking(c, 1);
	return c;
}

/* The server's last words come first, and only behind them the end. */
bool
pq_is_alive(PGconn *c)
{
	struct pollfd p = { .fd = PQsocket(c), .events = POLLIN };

	while (poll(&p, 1, 0) > 0)
		if (!PQconsumeInput(c) || PQstatus(c) != CONNECTION_OK)
			return false;
	return true;
}

bool
pq_next(PGconn *c, long deadline_ms, PGresult **r)
{
	int left;

	while ((left = PQflush(c)) > 0 || PQisBusy(c))
		if (!wait_for(c, left > 0 ? POLLIN | POLLOUT : POLLIN,
		    deadline_ms) || !PQconsumeInput(c))
			return false;
	*r = left < 0 ? NULL : PQgetResult(c);
	return left == 0;
}

PGresult *
pq_result(PGconn *c, long deadline_ms)
{
	PGresult *last = NULL, *r;

	/* Only with the end behind it is a result good: a commit comes after
	 * what it commits. */
	while (pq_next(c, deadline_ms, &r)) {
		if (r == NULL)
			return last;
		PQclear(last);
		last = r;
	}
	PQclear(last);
	return NULL;
}
