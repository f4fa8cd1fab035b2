/* SPDX-License-Identifier: ISC */
/* store: values in, rows out; the meaning is in sql.def. */
#include "domain/store.h"

#include <string.h>

#include "domain/outbox.h"
#include "domain/sql.h"

#include "base/banned.h"

/* A webhook must be answered, or spooled, well within the 15 s that Twilio
 * waits for all retries together; the sweep can be patient. */
#define WEBHOOK_MS	2500
#define SWEEP_MS	30000

static const struct {
	unsigned		programs;
	struct db_statement	statement;
} table[SQL_STATEMENTS] = {
#define SQL(id, programs, params, columns, text) \
	{ programs, { #id, text, params, columns } },
#include "domain/sql.def"
#include "domain/sql_api.def"
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
		.timeout_ms = program == CFG_SWEEP ? SWEEP_MS : WEBHOOK_MS,
		.plan_each_time = program == CFG_API,
	};

	for (size_t i = 0; i < SQL_STATEMENTS; i++)
		if (table[i].programs & program)
			s->mine[i] = table[i].statement;
	s->cfg = cfg;
	s->db = db_new(m, &o);
	return s;
}

bool
store_check(struct store *s, struct err *e)
{
	return db_check(s->db, e);
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

bool
store_event(struct store *s, struct mem *m, const struct event *ev,
    bool *fresh, struct err *e)
{
	static const enum sql_statement statements[] = { [EVENT_CALL] = SQL_CALL,
				     [EVENT_SMS] = SQL_SMS,
				     [EVENT_RECORDING] = SQL_RECORDING };
	struct db_value		 values[EVENT_MAX_VALUES];
	struct db_rows		*rows;
	struct event		 recording;

	if (!adopt(s, m, ev, e))
		return false;
	event_values(ev, s->cfg, m, values);
	if (!sql_run(s, m, statements[ev->kind], values, &rows, e))
		return false;
	*fresh = db_get_long(rows, 0, 0) != 0;
	if (!event_recording_of(ev, &recording))
		return true;
	event_values(&recording, s->cfg, m, values);
	return sql_run(s, m, SQL_RECORDING, values, NULL, e);
}

bool
store_claim(struct store *s, struct mem *m, size_t most, struct claim **out,
    size_t *count, struct err *e)
{
	const struct db_value	 values[] = { db_number(m, (long)most),
				     db_number(m, s->cfg->lease_secs) };
	struct db_rows		*rows;
	struct claim		*c;

	if (!sql_run(s, m, SQL_CLAIM, values, &rows, e))
		return false;
	*count = db_count(rows);
	*out = c = mem_array(m, *count + 1, sizeof(*c));
	for (size_t i = 0; i < *count; i++, c++) {
		c->id = db_get(rows, i, 0);
		c->lease = db_get(rows, i, 1);
		c->recording_sid = db_get(rows, i, 2);
		c->account_sid = db_get(rows, i, 3);
		c->call_sid = db_get(rows, i, 4);
		c->analyse_only = strcmp(db_get(rows, i, 5), "analyse") == 0;
		c->attempts = db_get_long(rows, i, 6);
		c->duration_s = db_get_long(rows, i, 7);
		c->channels = db_get_long(rows, i, 8);
		c->source = db_get(rows, i, 9);
		c->trying_s = db_get_long(rows, i, 10);
		c->transcript = db_get(rows, i, 11);
		c->direction = db_get(rows, i, 12);
		c->age_s = db_get_long(rows, i, 13);
	}
	return true;
}

bool
store_due(struct store *s, struct mem *m, size_t most, struct due **out,
    size_t *count, struct err *e)
{
	const struct db_value	 values[] = { db_number(m, (long)most) };
	struct db_rows		*rows;
	struct due		*d;

	if (!sql_run(s, m, SQL_DUE, values, &rows, e))
		return false;
	*count = db_count(rows);
	*out = d = mem_array(m, *count + 1, sizeof(*d));
	for (size_t i = 0; i < *count; i++, d++) {
		d->recording_sid = db_get(rows, i, 0);
		d->step = db_get(rows, i, 1);
		d->attempts = db_get_long(rows, i, 2);
		d->overdue_s = db_get_long(rows, i, 3);
		d->last_error = db_get(rows, i, 4);
	}
	return true;
}

/* Runs a statement that is fenced by the claim's lease ($1, $2). */
static bool
fenced(struct store *s, struct mem *m, enum sql_statement which,
    const struct db_value *values, bool *held, struct err *e)
{
	struct db_rows *rows;

	if (!sql_run(s, m, which, values, &rows, e))
		return false;
	*held = db_count(rows) != 0;
	return true;
}

bool
store_heartbeat(struct store *s, struct mem *m, const struct claim *c,
    bool *held, struct err *e)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_number(m, s->cfg->lease_secs) };

	return fenced(s, m, SQL_HEARTBEAT, values, held, e);
}

bool
store_transcribed(struct store *s, struct mem *m, const struct claim *c,
    const struct transcript *t, bool *held, struct err *e)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_text(t->filename), db_text(t->file_url), db_text(t->text),
	    db_number(m, t->seconds), db_text(t->language), db_text(t->model),
	    db_text(t->segments), db_text(t->metadata),
	    db_text(t->analyse ? "analyse" : "done"),
	    db_text(t->analyse ? "processing" : "completed") };

	return fenced(s, m, SQL_TRANSCRIBED, values, held, e);
}

bool
store_analysed(struct store *s, struct mem *m, const struct claim *c,
    const char *analysis, const char *model, const char *why, bool *held,
    struct err *e)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_text(analysis), db_text(model), db_text(why) };

	return fenced(s, m, SQL_ANALYSED, values, held, e);
}

bool
store_failed(struct store *s, struct mem *m, const struct claim *c,
    const struct setback *f, bool *held, struct err *e)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_real(m, f->wait_s), db_text(f->why), db_bool(f->refund),
	    db_bool(f->dead) };

	return fenced(s, m, SQL_FAILED, values, held, e);
}

bool
store_to_delete(struct store *s, struct mem *m, size_t most,
    struct leftover **out, size_t *count, struct err *e)
{
	const struct db_value	 values[] = { db_number(m, (long)most) };
	struct db_rows		*rows;

	if (!sql_run(s, m, SQL_TO_DELETE, values, &rows, e))
		return false;
	*count = db_count(rows);
	*out = mem_array(m, *count + 1, sizeof(**out));
	for (size_t i = 0; i < *count; i++)
		(*out)[i] = (struct leftover){ db_get(rows, i, 0),
		    db_get(rows, i, 1) };
	return true;
}

bool
store_deleted(struct store *s, struct mem *m, const char *recording_sid,
    struct err *e)
{
	const struct db_value values[] = { db_text(recording_sid) };

	return sql_run(s, m, SQL_DELETED, values, NULL, e);
}

bool
store_paid_open(struct store *s, struct mem *m, const char *recording_sid,
    const char *step, const char **id, struct err *e)
{
	const struct db_value	 values[] = { db_text(recording_sid),
				     db_text(step) };
	struct db_rows		*rows;

	if (!sql_run(s, m, SQL_PAID_OPEN, values, &rows, e))
		return false;
	*id = db_get(rows, 0, 0);
	return true;
}

bool
store_paid_close(struct store *s, struct mem *m, const char *id,
    const char *outcome, const char *units, struct err *e)
{
	const struct db_value values[] = { db_text(id), db_text(outcome),
	    db_text(units) };

	return sql_run(s, m, SQL_PAID_CLOSE, values, NULL, e);
}

bool
store_forget(struct store *s, struct mem *m, long days, struct err *e)
{
	const struct db_value values[] = { db_number(m, days) };

	return sql_run(s, m, SQL_FORGET, values, NULL, e);
}
