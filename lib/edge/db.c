/* SPDX-License-Identifier: ISC */
/* db: libpq, asynchronously, so that a deadline holds whatever the server
 * does (FAULTS F7: a stopped postmaster accepts and never answers). */
#include "edge/db.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include "base/banned.h"

#define MAX_PARAMS	40
#define CONNECT_MS	2000
#define BREAKER_MS	1000

struct db {
	struct db_options	 o;
	PGconn			*conn;
	long			 retry_at_ms;	/* breaker; 0 closed */
	char			 state[6];	/* SQLSTATE of the last refusal */
};

struct db_rows {
	PGresult	*result;
};

static void
hang_up(struct db *db)
{
	PQfinish(db->conn);
	db->conn = NULL;
}

static void
db_release(void *arg)
{
	hang_up(arg);
}

static void
rows_release(void *arg)
{
	PQclear(arg);
}

struct db *
db_new(struct mem *m, const struct db_options *o)
{
	struct db *db = mem_get(m, sizeof(*db));

	db->o = *o;
	mem_defer(m, db_release, db);
	return db;
}

/* libpq's message without its line ends: it is going into one log line. */
static bool
down(struct db *db, struct err *e, const char *what)
{
	const char	*why = PQerrorMessage(db->conn);
	size_t		 n = strcspn(why, "\n");

	err_set(e, ERR_DOWN, "database: %s: %.*s", what, (int)n, why);
	hang_up(db);
	db->retry_at_ms = clock_ms() + BREAKER_MS;
	return false;
}

static bool
wait_socket(struct db *db, short events, long deadline_ms)
{
	struct pollfd	p = { .fd = PQsocket(db->conn), .events = events };
	long		left;
	int		n;

	do {
		if ((left = deadline_ms - clock_ms()) <= 0)
			return false;
		n = poll(&p, 1, (int)left);
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n > 0;
}

/* Reads every result of what was sent; the last one is returned, or NULL on
 * a lost connection or a passed deadline. */
static PGresult *
read_result(struct db *db, long deadline_ms)
{
	PGresult *last = NULL, *r;

	for (;;) {
		while (PQisBusy(db->conn)) {
			if (!wait_socket(db, POLLIN, deadline_ms) ||
			    !PQconsumeInput(db->conn)) {
				PQclear(last);
				return NULL;
			}
		}
		if ((r = PQgetResult(db->conn)) == NULL)
			return last;
		PQclear(last);
		last = r;
	}
}

/* libpq would print it as it is, outside the log's lines. */
static void
on_notice(void *arg, const char *text)
{
	(void)arg;
	log_debug("the database remarks", "text=%s", log_quote(text));
}

static bool
dial(struct db *db, struct err *e)
{
	const char *const keys[] = { "dbname", "application_name",
	    "client_encoding", "connect_timeout", "keepalives_idle",
	    "tcp_user_timeout", NULL };
	const char *const values[] = { db->o.url, db->o.program, "UTF8", "2",
	    "5", "3000", NULL };
	PostgresPollingStatusType	 state = PGRES_POLLING_WRITING;
	long				 deadline = clock_ms() + CONNECT_MS;

	db->conn = PQconnectStartParams(keys, values, 1);
	if (db->conn == NULL || PQstatus(db->conn) == CONNECTION_BAD)
		return down(db, e, "connect");
	(void)PQsetNoticeProcessor(db->conn, on_notice, NULL);
	while (state != PGRES_POLLING_OK) {
		if (state == PGRES_POLLING_FAILED || !wait_socket(db,
		    state == PGRES_POLLING_READING ? POLLIN : POLLOUT,
		    deadline))
			return down(db, e, "connect");
		state = PQconnectPoll(db->conn);
	}
	return true;
}

static bool
command(struct db *db, const char *sql, struct err *e)
{
	PGresult	*r;
	bool		 ok;

	if (!PQsendQuery(db->conn, sql) ||
	    (r = read_result(db, clock_ms() + CONNECT_MS)) == NULL)
		return down(db, e, "set up");
	ok = PQresultStatus(r) == PGRES_COMMAND_OK;
	PQclear(r);
	return ok || down(db, e, "set up");
}

static bool
server_said_no(struct db *db, PGresult *r, const char *name, struct err *e)
{
	static const char *const away[] = { "08", "40", "53", "55", "57",
	    "58", "25006" };
	const char	*state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char	*text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	enum err_kind	 kind = ERR_SYSTEM;

	state = state == NULL ? "08000" : state;
	(void)snprintf(db->state, sizeof(db->state), "%s", state);
	for (size_t i = 0; i < sizeof(away) / sizeof(away[0]); i++)
		if (text_starts(state, away[i]))
			kind = ERR_DOWN;
	if (text_starts(state, "22") || text_starts(state, "23"))
		kind = ERR_INPUT;
	err_set(e, kind, "database: %s: %s %s", name, state,
	    text == NULL ? "" : text);
	if (PQstatus(db->conn) != CONNECTION_OK || text_starts(state, "57P") ||
	    text_starts(state, "25006"))
		hang_up(db);
	return false;
}

/* A statement is refused because it does not fit, or because the server is
 * going down or a table is locked for a moment: only the first is for ever. */
static bool
not_prepared(struct db *db, PGresult *r, const char *name, struct err *e)
{
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	if (!server_said_no(db, r, name, e) && e->kind != ERR_DOWN)
		err_set(e, ERR_CONFIG, "statement %s does not fit the "
		    "database: %s", name, text == NULL ? "" : text);
	PQclear(r);
	return false;
}

/* Prepares a statement and asks the server how many values it takes and
 * gives, so that sql.def and schema cannot drift apart unseen. */
static bool
prepare(struct db *db, const struct db_statement *s, struct err *e)
{
	PGresult	*r;
	bool		 fits;

	if (!PQsendPrepare(db->conn, s->name, s->text, 0, NULL) ||
	    (r = read_result(db, clock_ms() + CONNECT_MS)) == NULL)
		return down(db, e, s->name);
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		return not_prepared(db, r, s->name, e);
	PQclear(r);
	if (!PQsendDescribePrepared(db->conn, s->name) ||
	    (r = read_result(db, clock_ms() + CONNECT_MS)) == NULL)
		return down(db, e, s->name);
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		return not_prepared(db, r, s->name, e);
	fits = PQnparams(r) == s->params && PQnfields(r) == s->columns;
	if (!fits)
		err_set(e, ERR_CONFIG, "statement %s takes %d values and "
		    "gives %d columns, expected %d and %d", s->name,
		    PQnparams(r), PQnfields(r), s->params, s->columns);
	PQclear(r);
	return fits;
}

static bool
connect_now(struct db *db, struct err *e)
{
	char settings[384];

	if (clock_ms() < db->retry_at_ms)
		return err_set(e, ERR_DOWN, "database: away, trying again "
		    "within a second");
	if (!dial(db, e))
		return false;
	/* The server gives up a little before we do: then it says so, and the
	 * connection is as good as before. */
	(void)snprintf(settings, sizeof(settings),
	    "SET statement_timeout = %ld; SET lock_timeout = %ld; "
	    "SET idle_in_transaction_session_timeout = 5000; "
	    "SET timezone = 'UTC'; SET client_min_messages = warning; "
	    "SET plan_cache_mode = %s", db->o.timeout_ms * 9 / 10,
	    db->o.timeout_ms / 2, db->o.plan_each_time ?
	    "force_custom_plan" : "auto");
	if (!command(db, settings, e))
		return false;
	for (size_t i = 0; i < db->o.count; i++) {
		if (db->o.statements[i].name != NULL &&
		    !prepare(db, &db->o.statements[i], e)) {
			hang_up(db);
			db->retry_at_ms = clock_ms() + BREAKER_MS;
			return false;
		}
	}
	db->retry_at_ms = 0;
	return true;
}

/* A connection that the server closed since the last use is readable now:
 * seen here, before anything is sent, it costs nobody an event. The server's
 * last words come first, and only behind them the end. */
static bool
is_alive(struct db *db)
{
	struct pollfd p;

	if (db->conn == NULL)
		return false;
	p = (struct pollfd){ .fd = PQsocket(db->conn), .events = POLLIN };
	while (poll(&p, 1, 0) > 0)
		if (!PQconsumeInput(db->conn) ||
		    PQstatus(db->conn) != CONNECTION_OK)
			return false;
	return true;
}

static bool
ready(struct db *db, struct err *e)
{
	if (is_alive(db))
		return true;
	if (db->conn != NULL) {
		log_warn("database connection lost", "%s", "");
		hang_up(db);
	}
	return connect_now(db, e);
}

bool
db_check(struct db *db, struct err *e)
{
	return ready(db, e);
}

static bool
run_once(struct db *db, const struct db_statement *s,
    const struct db_value *values, PGresult **out, struct err *e)
{
	const char	*p[MAX_PARAMS];
	int		 n[MAX_PARAMS], format[MAX_PARAMS];
	PGresult	*r;

	if (s->params > MAX_PARAMS)
		return err_set(e, ERR_SYSTEM, "%s: too many values", s->name);
	for (int i = 0; i < s->params; i++) {
		p[i] = values[i].p;
		n[i] = (int)values[i].n;
		format[i] = values[i].binary;
	}
	if (!ready(db, e))
		return false;
	if (!PQsendQueryPrepared(db->conn, s->name, s->params, p, n, format,
	    0) || (r = read_result(db, clock_ms() + db->o.timeout_ms)) == NULL)
		return down(db, e, s->name);
	if (PQresultStatus(r) != PGRES_TUPLES_OK &&
	    PQresultStatus(r) != PGRES_COMMAND_OK) {
		(void)server_said_no(db, r, s->name, e);
		PQclear(r);
		return false;
	}
	*out = r;
	return true;
}

bool
db_run(struct db *db, struct mem *m, size_t which,
    const struct db_value *values, struct db_rows **out, struct err *e)
{
	const struct db_statement	*s = &db->o.statements[which];
	PGresult			*r = NULL;
	bool				 ok = false;

	/* A deadlock or serialization failure rolled everything back and is
	 * worth another try (FAULTS F11). */
	for (int tries = 0; tries < 3 && !ok; tries++) {
		db->state[0] = '\0';
		ok = run_once(db, s, values, &r, e);
		if (!ok && !text_starts(db->state, "40"))
			return false;
	}
	if (!ok)
		return false;
	mem_defer(m, rows_release, r);
	if (out != NULL) {
		*out = mem_get(m, sizeof(**out));
		(*out)->result = r;
	}
	return true;
}

struct db_value
db_text(const char *s)
{
	return (struct db_value){ .p = s };
}

struct db_value
db_bytes(const void *p, size_t n)
{
	return (struct db_value){ .p = p, .n = n, .binary = true };
}

struct db_value
db_number(struct mem *m, long v)
{
	return db_text(mem_printf(m, "%ld", v));
}

struct db_value
db_real(struct mem *m, double v)
{
	return db_text(mem_printf(m, "%.3f", v));
}

struct db_value
db_bool(bool v)
{
	return db_text(v ? "t" : "f");
}

size_t
db_count(const struct db_rows *rows)
{
	return (size_t)PQntuples(rows->result);
}

const char *
db_get(const struct db_rows *rows, size_t row, int column)
{
	return PQgetisnull(rows->result, (int)row, column) ? NULL :
	    PQgetvalue(rows->result, (int)row, column);
}

long
db_get_long(const struct db_rows *rows, size_t row, int column)
{
	const char	*s = db_get(rows, row, column);
	long		 v = 0;

	return s != NULL && text_to_long(s, -(1L << 62), 1L << 62, &v) ? v : 0;
}
