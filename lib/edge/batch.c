/* SPDX-License-Identifier: ISC */
/* batch: libpq's pipeline, with one Sync behind all of a batch. */
#include "edge/batch.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/clock.h"

#include "base/banned.h"

#define MAX_VALUES	40
/* In one transaction. The larger it is, the later its first is told, and all
 * that are told at once ask for the next thing at once, too: with 64 requests
 * of half a second in flight all in step, and 6 % late. Eight are 4 % late,
 * and no fewer recordings a second where nobody has to be waited for. */
#define MOST		8
#define AGAIN_MS	1000

struct entry {
	struct entry		*next;
	struct mem		*m;
	size_t			 which;
	const struct db_value	*values;
	bool			(*done)(void *, struct db_rows *,
				    const struct err *);
	void			*arg;
	PGresult		*r;
};

struct queue {
	struct entry	*first, **end;
};

struct batch {
	struct db	*db;
	struct queue	 waiting;
	struct queue	 out;		/* sent; or answered, see over */
	struct entry	*at;		/* of them, whose result comes next */
	PGconn		*conn;		/* NULL: none is under way */
	long		 deadline_ms;
	bool		 unsent;	/* libpq has not got rid of it all */
	bool		 over, refused;	/* how that one ended */
	struct err	 why;		/* ERR_NONE, or: nothing is known */
	long		 hold_ms;	/* nothing is sent before */
};

static void
queue_add(struct queue *q, struct entry *en)
{
	en->next = NULL;
	*q->end = en;
	q->end = &en->next;
}

/* The first of them, at most so many. */
static struct entry *
queue_take(struct queue *q, size_t most)
{
	struct entry	*first = q->first, **end = &q->first;

	for (; *end != NULL && most != 0; most--)
		end = &(*end)->next;
	q->first = *end;
	if (q->first == NULL)
		q->end = &q->first;
	*end = NULL;
	return first;
}

/* Whoever added them is gone already, or going. */
static void
batch_release(void *arg)
{
	struct batch *b = arg;

	for (struct entry *en = b->out.first; en != NULL; en = en->next)
		PQclear(en->r);
}

struct batch *
batch_new(struct mem *m, struct db *db)
{
	struct batch *b = mem_get(m, sizeof(*b));

	b->db = db;
	b->waiting.end = &b->waiting.first;
	b->out.end = &b->out.first;
	mem_defer(m, batch_release, b);
	return b;
}

void
batch_add(struct batch *b, struct mem *m, size_t which,
    const struct db_value *values,
    bool (*done)(void *, struct db_rows *, const struct err *), void *arg)
{
	const size_t	 n = (size_t)db_statement(b->db, which)->params;
	struct entry	*en = mem_get(m, sizeof(*en));
	struct db_value	*copy = mem_array(m, n + 1, sizeof(*copy));

	memcpy(copy, values, n * sizeof(*copy));
	*en = (struct entry){ .m = m, .which = which, .values = copy,
	    .done = done, .arg = arg };
	queue_add(&b->waiting, en);
}

bool
batch_is_out(const struct batch *b)
{
	return b->out.first != NULL;
}

bool
batch_is_idle(const struct batch *b)
{
	return b->out.first == NULL && b->waiting.first == NULL;
}

int
batch_socket(const struct batch *b, short *events)
{
	*events = (short)(b->unsent ? POLLIN | POLLOUT : POLLIN);
	return b->conn == NULL ? -1 : PQsocket(b->conn);
}

/* --- on its way -----------------------------------------------------------*/

/* The connection is somebody else's again. */
static void
end(struct batch *b)
{
	b->conn = NULL;
	b->unsent = false;
	b->over = true;
	db_give_back(b->db);
}

/* Whether it was committed nobody knows. */
static void
lose(struct batch *b)
{
	(void)db_lost(b->db, &b->why);
	end(b);
}

static bool
send_entry(PGconn *c, const struct db_statement *s, const struct entry *en)
{
	const char	*p[MAX_VALUES];
	int		 n[MAX_VALUES], format[MAX_VALUES];

	if (s->params > MAX_VALUES)
		return false;
	for (int i = 0; i < s->params; i++) {
		p[i] = en->values[i].p;
		n[i] = (int)en->values[i].n;
		format[i] = en->values[i].binary;
	}
	return PQsendQueryPrepared(c, s->name, s->params, p, n, format, 0);
}

static void	take_answers(struct batch *, bool wait);

static void
on_recall(void *arg)
{
	take_answers(arg, true);
}

void
batch_send(struct batch *b)
{
	bool ok;

	if (b->out.first != NULL || b->waiting.first == NULL ||
	    clock_ms() < b->hold_ms)
		return;
	b->out.first = queue_take(&b->waiting, MOST);
	b->at = b->out.first;
	b->over = b->refused = false;
	b->why.kind = ERR_NONE;
	b->conn = db_borrow(b->db, on_recall, b, &b->deadline_ms, &b->why);
	if (b->conn == NULL) {
		b->over = true;
		return;
	}
	ok = PQenterPipelineMode(b->conn);
	for (struct entry *en = b->out.first; ok && en != NULL; en = en->next)
		ok = send_entry(b->conn, db_statement(b->db, en->which), en);
	if (!ok || !PQpipelineSync(b->conn))
		lose(b);
	else
		b->unsent = true;
}

/* One of libpq's results. A statement has one, with a NULL behind it; then
 * there is one for the Sync, and the commit is done. */
static void
take_result(struct batch *b, PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);

	if (PQstatus(b->conn) != CONNECTION_OK) {
		PQclear(r);
		lose(b);
	} else if (r == NULL) {
		if (b->at != NULL)
			b->at = b->at->next;
	} else if (status == PGRES_PIPELINE_SYNC) {
		PQclear(r);
		if (!PQexitPipelineMode(b->conn))
			lose(b);
		else
			end(b);
	} else if (b->at != NULL && (status == PGRES_TUPLES_OK ||
	    status == PGRES_COMMAND_OK)) {
		PQclear(b->at->r);
		b->at->r = r;
	} else {
		b->refused = true;
		PQclear(r);
	}
}

/* Until it is over; or, if nobody waits, as far as it has come. */
static void
take_answers(struct batch *b, bool wait)
{
	struct pollfd	p;
	long		left;
	int		n = 1;

	while (!b->over) {
		p.fd = batch_socket(b, &p.events);
		left = b->deadline_ms - clock_ms();
		if (wait && left > 0 && (n = poll(&p, 1, (int)left)) < 0 &&
		    errno == EINTR)
			continue;
		if (left <= 0 || n < 0 || !PQconsumeInput(b->conn) ||
		    (n = PQflush(b->conn)) < 0) {
			lose(b);
			return;
		}
		b->unsent = n > 0;
		while (!b->over && !PQisBusy(b->conn))
			take_result(b, PQgetResult(b->conn));
		if (!wait)
			return;
	}
}

/* --- and back -------------------------------------------------------------*/

/* A batch of several is as good as its worst: each tries for itself. */
static void
run_alone(struct batch *b, struct entry *en, struct db_rows **rows,
    struct err *e)
{
	if (!db_run(b->db, en->m, en->which, en->values, rows, e))
		*rows = NULL;
}

static void
tell_all(struct batch *b)
{
	const bool	 refused = b->refused;
	struct err	 why = b->why;
	struct entry	*next;
	struct db_rows	*rows;

	for (struct entry *en = queue_take(&b->out, SIZE_MAX); en != NULL; en = next) {
		next = en->next;
		rows = NULL;
		if (why.kind == ERR_NONE && !refused) {
			rows = db_rows(en->m, en->r);
		} else {
			PQclear(en->r);
			if (why.kind == ERR_NONE)
				run_alone(b, en, &rows, &b->why);
		}
		en->r = NULL;
		/* The entry may be gone behind this. */
		if (en->done(en->arg, rows, &b->why)) {
			queue_add(&b->waiting, en);
			b->hold_ms = clock_ms() + AGAIN_MS;
		}
	}
}

void
batch_take(struct batch *b)
{
	if (b->out.first == NULL)
		return;
	if (!b->over)
		take_answers(b, false);
	if (b->over)
		tell_all(b);
}

void
batch_finish(struct batch *b)
{
	while (!batch_is_idle(b)) {
		if (b->out.first == NULL && clock_ms() < b->hold_ms)
			(void)poll(NULL, 0, (int)(b->hold_ms - clock_ms()));
		batch_send(b);
		if (!b->over)
			take_answers(b, true);
		batch_take(b);
	}
}
