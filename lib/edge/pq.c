/* SPDX-License-Identifier: ISC */
/* pq: poll() around libpq. */
#include "edge/pq.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>

#include "base/clock.h"

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

PGconn *
pq_connect(const char *url, const char *program, long deadline_ms)
{
	const char *const keys[] = { "dbname", "application_name",
	    "client_encoding", "connect_timeout", "keepalives_idle",
	    "tcp_user_timeout", NULL };
	const char *const values[] = { url, program, "UTF8", "2", "5", "3000",
	    NULL };
	PGconn				*c = PQconnectStartParams(keys, values,
					    1);
	PostgresPollingStatusType	 state = PGRES_POLLING_WRITING;

	while (PQstatus(c) != CONNECTION_BAD && state != PGRES_POLLING_OK &&
	    state != PGRES_POLLING_FAILED && wait_for(c,
	    state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms))
		state = PQconnectPoll(c);
	(void)PQsetnonblocking(c, 1);
	return c;
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
