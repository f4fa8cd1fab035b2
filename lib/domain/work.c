/* SPDX-License-Identifier: ISC */
/* work: values in, rows out; the meaning is in sql_sweep.def. */
#include "domain/work.h"

#include <stdio.h>
#include <string.h>

#include "domain/sql.h"

#include "base/banned.h"

#define NO_ID	"00000000-0000-0000-0000-000000000000"

/* Whom to tell what came of a statement in a batch. */
struct waiter {
	struct mem	*m;
	bool		(*claimed)(void *, const struct claim *, size_t,
			    const struct err *);
	bool		(*stored)(void *, const struct stored *);
	void		*arg;
	int		 opened;	/* the column with the ledger's row */
};

static bool
on_claimed(void *arg, struct db_rows *rows, const struct err *e)
{
	const struct waiter	*w = arg;
	const size_t		 count = rows == NULL ? 0 : db_count(rows);
	struct claim		*all = mem_array(w->m, count + 1, sizeof(*all));
	struct claim		*c = all;

	for (size_t i = 0; i < count; i++, c++) {
		c->id = db_get(rows, i, 0);
		c->lease = db_get(rows, i, 1);
		c->recording_sid = db_get(rows, i, 2);
		c->account_sid = db_get(rows, i, 3);
		c->analyse_only = strcmp(db_get(rows, i, 4), "analyse") == 0;
		c->attempts = db_get_long(rows, i, 5);
		c->trying_s = db_get_long(rows, i, 6);
		c->transcript = db_get(rows, i, 7);
		c->parts = db_get(rows, i, 8);
		c->due_at = db_get(rows, i, 9);
	}
	return w->claimed(w->arg, rows == NULL ? NULL : all, count, e);
}

void
work_claim(struct batch *b, struct mem *m, const struct work_scope *scope,
    long sweep, size_t most, const struct work_mark *after,
    bool (*done)(void *, const struct claim *, size_t, const struct err *),
    void *arg)
{
	const bool		 all = after->id[0] == '\0';
	const struct db_value	 values[] = { db_number(m, (long)most),
				     db_number(m, sweep),
				     db_bool(scope->transcribe),
				     db_bool(scope->analyse),
				     db_text(all ? "-infinity" :
				     mem_dup(m, after->due_at)),
				     db_text(all ? NO_ID :
				     mem_dup(m, after->id)) };
	struct waiter		*w = mem_get(m, sizeof(*w));

	*w = (struct waiter){ .m = m, .claimed = done, .arg = arg };
	batch_add(b, m, SQL_CLAIM, values, on_claimed, w);
}

/* Both sort as the text they are. */
void
work_mark(struct work_mark *mark, const struct claim *c, size_t count)
{
	for (size_t i = 0; i < count; i++, c++) {
		int later = strcmp(c->due_at, mark->due_at);

		if (later < 0 || (later == 0 && strcmp(c->id, mark->id) <= 0))
			continue;
		(void)snprintf(mark->due_at, sizeof(mark->due_at), "%s",
		    c->due_at);
		(void)snprintf(mark->id, sizeof(mark->id), "%s", c->id);
	}
}

void
work_copy(struct mem *m, const struct claim *from, struct claim *to)
{
	*to = *from;
	const char **const texts[] = { &to->id, &to->lease,
	    &to->recording_sid, &to->account_sid, &to->transcript, &to->parts,
	    &to->due_at };

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

/* A statement that is fenced by the claim's lease ($1, $2) gives no row
 * without it. */
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

static bool
on_stored(void *arg, struct db_rows *rows, const struct err *e)
{
	const struct waiter	*w = arg;
	struct stored		 st = { .ok = rows != NULL, .err = e };

	st.held = st.ok && db_count(rows) != 0;
	if (st.held && w->opened >= 0)
		st.next = db_get(rows, 0, w->opened);
	return w->stored(w->arg, &st);
}

/* opened: the column of the row of the ledger that it opens; -1: none. */
static void
store_later(struct batch *b, struct mem *m, enum sql_statement which,
    const struct db_value *values, int opened,
    bool (*done)(void *, const struct stored *), void *arg)
{
	struct waiter *w = mem_get(m, sizeof(*w));

	*w = (struct waiter){ .m = m, .stored = done, .arg = arg,
	    .opened = opened };
	batch_add(b, m, which, values, on_stored, w);
}

bool
work_live(struct store *s, const struct cfg *cfg, long sweep, struct err *e)
{
	struct mem		*m = mem_new();
	const struct db_value	 values[] = { db_number(m, sweep),
				     db_number(m, store_lock(s)),
				     db_number(m, cfg->lease_secs) };
	bool			 ok = sql_run(s, m, SQL_LIVE, values, NULL, e);

	mem_free(m);
	return ok;
}

bool
work_held(struct store *s, const struct claim *c, bool *held, struct err *e)
{
	const struct db_value	 values[] = { db_text(c->id),
				     db_text(c->lease) };
	struct mem		*m = mem_new();
	bool			 ok = fenced(s, m, SQL_HELD, values, held, e);

	mem_free(m);
	return ok;
}

bool
work_leave(struct store *s, long sweep, struct err *e)
{
	struct mem		*m = mem_new();
	const struct db_value	 values[] = { db_number(m, sweep) };
	bool			 ok = sql_run(s, m, SQL_LEAVE, values, NULL, e);

	mem_free(m);
	return ok;
}

void
work_paid_open(struct batch *b, struct mem *m, const char *recording_sid,
    const char *step, bool (*done)(void *, const struct stored *), void *arg)
{
	const struct db_value values[] = { db_text(recording_sid),
	    db_text(step) };

	store_later(b, m, SQL_PAID_OPEN, values, 0, done, arg);
}

bool
work_paid_close(struct store *s, struct mem *m, const struct bill *b,
    struct err *e)
{
	const struct db_value values[] = { db_text(b->id),
	    db_text(b->outcome), db_text(b->units) };

	return sql_run(s, m, SQL_PAID_CLOSE, values, NULL, e);
}

void
work_part_done(struct batch *b, struct mem *m, const struct claim *c,
    const char *parts_json, const struct bill *bill,
    bool (*done)(void *, const struct stored *), void *arg)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_text(parts_json), db_text(bill->id), db_text(bill->outcome),
	    db_text(bill->units) };

	store_later(b, m, SQL_PART_DONE, values, 0, done, arg);
}

void
work_transcribed(struct batch *b, struct mem *m, const struct claim *c,
    const struct transcript *t, const struct bill *bill,
    bool (*done)(void *, const struct stored *), void *arg)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_text(t->filename), db_text(t->file_url), db_text(t->text),
	    db_number(m, t->seconds), db_text(t->language), db_text(t->model),
	    db_text(t->segments), db_text(t->metadata),
	    db_text(t->analyse ? "analyse" : "done"),
	    db_text(t->analyse ? "processing" : "completed"),
	    db_text(bill->id), db_text(bill->outcome), db_text(bill->units),
	    db_text(t->at_once ? "analyse" : NULL) };

	store_later(b, m, SQL_TRANSCRIBED, values, 1, done, arg);
}

void
work_analysed(struct batch *b, struct mem *m, const struct claim *c,
    const char *analysis, const char *model, const char *why,
    const struct bill *bill, bool (*done)(void *, const struct stored *),
    void *arg)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_text(analysis), db_text(model), db_text(why),
	    db_text(bill->id), db_text(bill->outcome), db_text(bill->units) };

	store_later(b, m, SQL_ANALYSED, values, -1, done, arg);
}

bool
work_failed(struct store *s, struct mem *m, const struct claim *c,
    const struct setback *f, bool *held, struct err *e)
{
	const struct db_value values[] = { db_text(c->id), db_text(c->lease),
	    db_real(m, f->wait_s), db_text(f->why), db_bool(f->refund),
	    db_bool(f->dead) };

	return fenced(s, m, SQL_FAILED, values, held, e);
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
