/* SPDX-License-Identifier: ISC */
/* store: values in, rows out; the meaning is in sql.def. */
#include "domain/store.h"

#include <string.h>

#include "domain/outbox.h"
#include "domain/sql.h"
#include "edge/batch.h"

#include "base/banned.h"

/* A webhook must be answered, or spooled, well within the 15 s that Twilio
 * waits for all retries together; the sweep and people can be patient. */
#define WEBHOOK_MS	2500
#define SWEEP_MS	30000

static const struct {
	unsigned		programs;
	struct db_statement	statement;
} table[SQL_STATEMENTS] = {
#define SQL_FIRST	0x100	/* every pass of the sweep has need of it */
#define SQL(id, programs, params, columns, text) \
	{ programs, { #id, text, params, columns, false } },
#include "domain/sql.def"
#include "domain/sql_api.def"
#include "domain/sql_erase.def"
#include "domain/sql_sweep.def"
#undef SQL
};

struct store {
	struct db		*db;
	const struct cfg	*cfg;
	struct db_statement	 mine[SQL_STATEMENTS];
};

struct store *
store_new(struct mem *m, const struct cfg *cfg, enum cfg_program program,
    const char *name)
{
	struct store		*s = mem_get(m, sizeof(*s));
	struct db_options	 o = {
		.url = cfg->database_url,
		.program = name,
		.statements = s->mine,
		.count = SQL_STATEMENTS,
		.timeout_ms = program & (CFG_SWEEP | CFG_ADMIN) ? SWEEP_MS :
		    WEBHOOK_MS,
		.plan_each_time = program == CFG_API,
		.lock = program == CFG_SWEEP,
		.later = program == CFG_SWEEP,
	};

	for (size_t i = 0; i < SQL_STATEMENTS; i++)
		if (table[i].programs & program) {
			s->mine[i] = table[i].statement;
			s->mine[i].later = program == CFG_SWEEP &&
			    !(table[i].programs & SQL_FIRST);
		}
	s->cfg = cfg;
	s->db = db_new(m, &o);
	return s;
}

bool
store_check(struct store *s, struct err *e)
{
	return db_check(s->db, e);
}

bool
store_check_all(struct store *s, struct err *e)
{
	return db_check_all(s->db, e);
}

unsigned
store_sessions(const struct store *s)
{
	return db_sessions(s->db);
}

long
store_lock(const struct store *s)
{
	return db_lock(s->db);
}

struct batch *
store_batch(struct mem *m, struct store *s)
{
	return batch_new(m, s->db);
}

void
store_until(struct store *s, long deadline_ms)
{
	db_until(s->db, deadline_ms);
}

bool
sql_run(struct store *s, struct mem *m, enum sql_statement which,
    const struct db_value *values, struct db_rows **rows, struct err *e)
{
	return db_run(s->db, m, which, values, rows, e);
}

/* A callback may be faster than the answer to our own request; then it is
 * the one that tells the row its SID. */
static bool
adopt(struct store *s, struct mem *m, const struct event *ev, struct err *e)
{
	const char	*sid = ev->kind == EVENT_RECORDING ?
			    form_some(ev->form, "CallSid") : ev->sid;
	bool		 fits;

	return ev->row == NULL || outbox_adopt(s, m,
	    ev->kind == EVENT_SMS ? OUTBOX_MESSAGE : OUTBOX_CALL, ev->row,
	    sid, NULL, &fits, e) || e->kind == ERR_INPUT;
}

/* *done: it was the first that was heard of that call or text. */
static bool
first(struct store *s, struct mem *m, const struct event *ev,
    const struct db_value *values, bool *done, struct err *e)
{
	struct db_value	 given[EVENT_MAX_VALUES];
	struct db_rows	*rows;

	*done = false;
	if (!event_first(ev, m, values, given))
		return true;
	/* Refused, it is in the journal, and what it told of has been deleted
	 * since: not news either. */
	if (!sql_run(s, m, ev->kind == EVENT_CALL ? SQL_CALL_FIRST :
	    SQL_TEXT_FIRST, given, &rows, e))
		return e->kind == ERR_INPUT;
	*done = db_changed(rows) == 1;
	return true;
}

bool
store_event(struct store *s, struct mem *m, const struct event *ev,
    bool *fresh, struct err *e)
{
	static const enum sql_statement statements[] = {
		[EVENT_CALL] = SQL_CALL, [EVENT_SMS] = SQL_TEXT,
		[EVENT_RECORDING] = SQL_RECORDING,
	};
	enum sql_statement	 which = statements[ev->kind];
	struct db_value		 values[EVENT_MAX_VALUES];
	struct db_rows		*rows;
	struct event		 recording;

	if (!adopt(s, m, ev, e))
		return false;
	event_values(ev, s->cfg, m, values);
	if (ev->kind == EVENT_SMS && event_is_consent(ev))
		which = SQL_CONSENT;
	if (!first(s, m, ev, values, fresh, e))
		return false;
	if (!*fresh) {
		if (!sql_run(s, m, which, values, &rows, e))
			return false;
		*fresh = db_get_long(rows, 0, 0) != 0;
	}
	if (!event_recording_of(ev, &recording))
		return true;
	event_values(&recording, s->cfg, m, values);
	return sql_run(s, m, SQL_RECORDING, values, NULL, e);
}
