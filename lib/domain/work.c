/* SPDX-License-Identifier: ISC */
/* work: values in, rows out; the meaning is in sql_sweep.def. */
#include "domain/work.h"

#include <string.h>

#include "domain/sql.h"

#include "base/banned.h"

bool
work_claim(struct store *s, struct mem *m, const struct cfg *cfg,
    const struct work_scope *scope, size_t most, struct claim **out,
    size_t *count, struct err *e)
{
	const struct db_value	 values[] = { db_number(m, (long)most),
				     db_number(m, cfg->lease_secs),
				     db_number(m, store_lock(s)),
				     db_bool(scope->transcribe),
				     db_bool(scope->analyse) };
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
		c->parts = db_get(rows, i, 13);
	}
	return true;
}

void
work_copy(struct mem *m, const struct claim *from, struct claim *to)
{
	*to = *from;
	const char **const texts[] = { &to->id, &to->lease,
	    &to->recording_sid, &to->account_sid, &to->call_sid, &to->source,
	    &to->transcript, &to->direction, &to->parts };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = mem_dup(m, *texts[i]);
}

bool
work_recover(struct store *s, struct mem *m, size_t *count, struct err *e)
{
	struct db_rows *rows;

	if (!sql_run(s, m, SQL_RECOVER, NULL, &rows, e))
		return false;
	*count = db_count(rows);
	return true;
}

bool
work_due(struct store *s, struct mem *m, size_t most, struct due **out,
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

/* Runs a statement that is fenced by the claim's lease ($1, $2). next: the
 * row of the ledger that it opened, in that column; NULL nobody asks. */
static bool
fenced(struct store *s, struct mem *m, enum sql_statement which,
    const struct db_value *values, const char **next, int column, bool *held,
    struct err *e)
{
	struct db_rows *rows;

	if (!sql_run(s, m, which, values, &rows, e))
		return false;
	*held = db_count(rows) != 0;
	if (next != NULL)
		*next = *held ? db_get(rows, 0, column) : NULL;
	return true;
}

bool
work_heartbeat(struct store *s, struct mem *m, const struct cfg *cfg,
    const struct claim *c, bool *held, struct err *e)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_number(m, cfg->lease_secs), db_number(m, store_lock(s)) };

	return fenced(s, m, SQL_HEARTBEAT, values, NULL, 0, held, e);
}

bool
work_paid_open(struct store *s, struct mem *m, const char *recording_sid,
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
work_paid_close(struct store *s, struct mem *m, const struct bill *b,
    struct err *e)
{
	const struct db_value values[] = { db_text(b->id),
	    db_text(b->outcome), db_text(b->units) };

	return sql_run(s, m, SQL_PAID_CLOSE, values, NULL, e);
}

bool
work_part_done(struct store *s, struct mem *m, const struct claim *c,
    const char *parts_json, const struct bill *b, const char **next,
    bool *held, struct err *e)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_text(parts_json), db_text(b->id), db_text(b->outcome),
	    db_text(b->units) };

	return fenced(s, m, SQL_PART_DONE, values, next, 0, held, e);
}

bool
work_transcribed(struct store *s, struct mem *m, const struct claim *c,
    const struct transcript *t, const struct bill *b, const char **next,
    bool *held, struct err *e)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_text(t->filename), db_text(t->file_url), db_text(t->text),
	    db_number(m, t->seconds), db_text(t->language), db_text(t->model),
	    db_text(t->segments), db_text(t->metadata),
	    db_text(t->analyse ? "analyse" : "done"),
	    db_text(t->analyse ? "processing" : "completed"),
	    db_text(b->id), db_text(b->outcome), db_text(b->units),
	    db_text(t->at_once ? "analyse" : NULL) };

	return fenced(s, m, SQL_TRANSCRIBED, values, next, 1, held, e);
}

bool
work_analysed(struct store *s, struct mem *m, const struct claim *c,
    const char *analysis, const char *model, const char *why,
    const struct bill *b, bool *held, struct err *e)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_text(analysis), db_text(model), db_text(why), db_text(b->id),
	    db_text(b->outcome), db_text(b->units) };

	return fenced(s, m, SQL_ANALYSED, values, NULL, 0, held, e);
}

bool
work_failed(struct store *s, struct mem *m, const struct claim *c,
    const struct setback *f, bool *held, struct err *e)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_real(m, f->wait_s), db_text(f->why), db_bool(f->refund),
	    db_bool(f->dead) };

	return fenced(s, m, SQL_FAILED, values, NULL, 0, held, e);
}

bool
work_to_delete(struct store *s, struct mem *m, size_t most,
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
work_deleted(struct store *s, struct mem *m, const char *recording_sid,
    struct err *e)
{
	const struct db_value values[] = { db_text(recording_sid) };

	return sql_run(s, m, SQL_DELETED, values, NULL, e);
}
