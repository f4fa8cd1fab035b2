/* SPDX-License-Identifier: ISC */
/* db: what is prepared and run on a connection, and when another is tried. */
#include "edge/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <libpq-fe.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "edge/pq.h"

#include "base/banned.h"

#define MAX_PARAMS	40
#define BREAKER_MS	1000
#define BREAKER_MOST_MS	8000
#define FRESH_MS	20

struct db {
	struct db_options	 o;
	PGconn			*conn;
	unsigned		 sessions;
	bool			 complete;	/* with what is for later */
	long			 lock;
	unsigned		 hangs;		/* so often a server gave no answer */
	long			 until_ms;	/* of all that is asked; 0 none */
	long			 asked_ms;	/* when the last was asked */
	long			 deadline_ms;	/* until when that may take */
	long			 heard_ms;	/* when the server last answered */
	long			 retry_at_ms;	/* breaker; 0 closed */
	long			 breaker_ms;	/* how long it opens next time */
	char			 state[6];	/* SQLSTATE of the last refusal */
	void			(*recall)(void *);	/* it is lent; or NULL */
	void			 *borrower;
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

struct db *
db_new(struct mem *m, const struct db_options *o)
{
	struct db *db = mem_get(m, sizeof(*db));

	db->o = *o;
	db->breaker_ms = BREAKER_MS;
	mem_defer(m, db_release, db);
	return db;
}

void
db_until(struct db *db, long deadline_ms)
{
	db->until_ms = deadline_ms;
}

long
db_lock(const struct db *db)
{
	return db->lock;
}

unsigned
db_sessions(const struct db *db)
{
	return db->sessions;
}

static void
begin(struct db *db)
{
	db->asked_ms = clock_ms();
	db->deadline_ms = db->asked_ms + db->o.timeout_ms;
	if (db->until_ms != 0 && db->until_ms < db->deadline_ms)
		db->deadline_ms = db->until_ms;
}

/* A server that hangs costs each try its whole deadline, one that is gone
 * costs nothing: only for the first is it worth asking less often. */
static void
open_breaker(struct db *db)
{
	long now = clock_ms();

	db->retry_at_ms = now + db->breaker_ms;
	if (now < db->deadline_ms) {
		db->breaker_ms = BREAKER_MS;
	} else {
		db->hangs++;	/* another host, if there are several */
		db->breaker_ms = db->breaker_ms * 2 > BREAKER_MOST_MS ?
		    BREAKER_MOST_MS : db->breaker_ms * 2;
	}
}

/* libpq's message without its line ends: it is going into one log line. */
static bool
down(struct db *db, struct err *e, const char *what)
{
	const char *why = PQerrorMessage(db->conn);

	if (*why == '\0')
		why = "no answer";
	err_set(e, ERR_DOWN, "database: %s: %.*s", what,
	    (int)strcspn(why, "\n"), why);
	hang_up(db);
	open_breaker(db);
	return false;
}

/* The server gives up a little before we do: then it says so, and the
 * connection is as good as before. The lock's number is one that nobody has:
 * not another host's, nor that of our own session before, which the server
 * may not know to be over yet. */
static bool
send_settings(struct db *db)
{
	char sql[512], lock[64] = "true";

	if (getrandom(&db->lock, sizeof(db->lock), 0) != sizeof(db->lock))
		abort();
	db->lock &= 0x7fffffff;
	if (db->o.lock)
		(void)snprintf(lock, sizeof(lock), "pg_try_advisory_lock("
		    DB_LOCK_CLASS ", %ld)", db->lock);
	(void)snprintf(sql, sizeof(sql), "SELECT %s"
	    ", set_config('statement_timeout', '%ld', false)"
	    ", set_config('lock_timeout', '%ld', false)"
	    ", set_config('idle_in_transaction_session_timeout', '5000', false)"
	    ", set_config('timezone', 'UTC', false)"
	    ", set_config('client_min_messages', 'warning', false)"
	    ", set_config('plan_cache_mode', '%s', false)", lock,
	    db->o.timeout_ms * 9 / 10, db->o.timeout_ms / 2,
	    db->o.plan_each_time ? "force_custom_plan" : "auto");
	return PQsendQueryParams(db->conn, sql, 0, NULL, NULL, NULL, NULL, 0);
}

static bool
check_settings(struct db *db, struct err *e)
{
	PGresult	*r = NULL, *end = NULL;
	bool		 ok;

	ok = pq_next(db->conn, db->deadline_ms, &r) &&
	    PQresultStatus(r) == PGRES_TUPLES_OK &&
	    *PQgetvalue(r, 0, 0) == 't' &&
	    pq_next(db->conn, db->deadline_ms, &end) && end == NULL;
	PQclear(r);
	PQclear(end);
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
	/* Whoever holds a lock, or keeps the server busy, will make others
	 * wait, too; but a user's search that takes too long is its own. */
	if (strcmp(state, "55P03") == 0 ||
	    (strcmp(state, "57014") == 0 && !db->o.plan_each_time))
		open_breaker(db);
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
	return false;
}

/* Of a statement's two results the second is its description; see
 * prepare_all(). */
static bool
check_statement(struct db *db, const struct db_statement *s, struct err *e)
{
	PGresult	*r, *end = NULL;
	bool		 ok = true;

	for (int i = 0; ok && i < 2; i++) {
		if (!pq_next(db->conn, db->deadline_ms, &r) || r == NULL)
			return down(db, e, s->name);
		ok = PQresultStatus(r) == PGRES_COMMAND_OK ||
		    not_prepared(db, r, s->name, e);
		if (ok && i == 1 && (PQnparams(r) != s->params ||
		    PQnfields(r) != s->columns))
			ok = err_set(e, ERR_CONFIG, "statement %s takes %d "
			    "values and gives %d columns, expected %d and %d",
			    s->name, PQnparams(r), PQnfields(r), s->params,
			    s->columns);
		PQclear(r);
		if (ok && (!pq_next(db->conn, db->deadline_ms, &end) ||
		    end != NULL)) {
			PQclear(end);
			return down(db, e, s->name);
		}
	}
	return ok;
}

/* Prepares some statements and asks the server how many values each takes and
 * gives, so that sql.def and schema cannot drift apart unseen. All at once,
 * with a new session's settings: a database far away answers once. */
static bool
prepare_all(struct db *db, bool later, struct err *e)
{
	const struct db_statement	*s = db->o.statements;
	PGresult			*r;
	bool				 ok;

	ok = PQenterPipelineMode(db->conn) && (later || send_settings(db));
	for (size_t i = 0; ok && i < db->o.count; i++)
		ok = s[i].name == NULL || s[i].later != later ||
		    (PQsendPrepare(db->conn, s[i].name, s[i].text, 0, NULL) &&
		    PQsendDescribePrepared(db->conn, s[i].name));
	if (!ok || !PQpipelineSync(db->conn))
		return down(db, e, "prepare");
	if (!later && !check_settings(db, e))
		return false;
	for (size_t i = 0; i < db->o.count; i++)
		if (s[i].name != NULL && s[i].later == later &&
		    !check_statement(db, &s[i], e)) {
			hang_up(db);
			return false;
		}
	ok = pq_next(db->conn, db->deadline_ms, &r);
	if (ok)
		PQclear(r);
	return (ok && PQexitPipelineMode(db->conn)) || down(db, e, "prepare");
}

static bool
connect_once(struct db *db, struct err *e)
{
	db->conn = pq_connect(db->o.url, db->o.program, db->hangs,
	    db->deadline_ms);
	if (db->conn == NULL)
		return err_set(e, ERR_CONFIG, "DATABASE_URL is not what "
		    "libpq can read");	/* whose words would quote it */
	if (PQstatus(db->conn) != CONNECTION_OK)
		return down(db, e, "connect");
	if (!prepare_all(db, false, e))
		return false;
	db->complete = false;
	db->retry_at_ms = 0;
	db->breaker_ms = BREAKER_MS;
	db->sessions++;
	return true;
}

/* Memory that runs out in libpq looks like statements that do not fit, and
 * those stop a worker for good: so it takes two to believe it. */
static bool
connect_now(struct db *db, struct err *e)
{
	if (connect_once(db, e) || (e->kind == ERR_CONFIG &&
	    connect_once(db, e)))
		return true;
	if (clock_ms() >= db->retry_at_ms)
		open_breaker(db);
	return false;
}

static bool
ready(struct db *db, struct err *e)
{
	if (db->asked_ms < db->retry_at_ms)
		return err_set(e, ERR_DOWN, "database: away, trying again "
		    "soon");
	/* Under load the last use was a moment ago, and the look would be an
	 * eighth of a worker's system calls: then the rare event is spooled. */
	if (db->conn != NULL && (db->asked_ms < db->heard_ms + FRESH_MS ||
	    pq_is_alive(db->conn)))
		return true;
	if (db->conn != NULL) {
		log_warn("database connection lost", "%s", "");
		hang_up(db);
	}
	return connect_now(db, e);
}

/* With those statements, too, that are for later. */
static bool
all_ready(struct db *db, struct err *e)
{
	if (!ready(db, e))
		return false;
	db->complete = db->complete || !db->o.later ||
	    prepare_all(db, true, e);
	return db->complete;
}

/* What is under way is finished first: everything is done in order. */
static void
call_back(struct db *db)
{
	if (db->recall != NULL)
		db->recall(db->borrower);
}

bool
db_check_all(struct db *db, struct err *e)
{
	call_back(db);
	begin(db);
	return all_ready(db, e);
}

bool
db_check(struct db *db, struct err *e)
{
	begin(db);
	return db->recall != NULL || ready(db, e);	/* who has it, notices */
}

PGconn *
db_borrow(struct db *db, void (*recall)(void *), void *arg,
    long *deadline_ms, struct err *e)
{
	call_back(db);
	begin(db);
	if (!all_ready(db, e))
		return NULL;
	db->recall = recall;
	db->borrower = arg;
	*deadline_ms = db->deadline_ms;
	return db->conn;
}

void
db_give_back(struct db *db)
{
	db->recall = NULL;
}

bool
db_lost(struct db *db, struct err *e)
{
	return down(db, e, "several statements");
}

const struct db_statement *
db_statement(const struct db *db, size_t which)
{
	return &db->o.statements[which];
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
	if (s->later ? !all_ready(db, e) : !ready(db, e))
		return false;
	if (!PQsendQueryPrepared(db->conn, s->name, s->params, p, n, format,
	    0) || (r = pq_result(db->conn, db->deadline_ms)) == NULL)
		return down(db, e, s->name);
	if (PQresultStatus(r) != PGRES_TUPLES_OK &&
	    PQresultStatus(r) != PGRES_COMMAND_OK) {
		(void)server_said_no(db, r, s->name, e);
		PQclear(r);
		return false;
	}
	db->heard_ms = clock_ms();
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

	call_back(db);
	begin(db);
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
	if (out != NULL)
		*out = db_rows(m, r);
	else
		PQclear(r);
	return true;
}
