/* SPDX-License-Identifier: ISC */
/* journal: rows of webhook_events; the meaning is in sql_sweep.def. */
#include "domain/journal.h"

#include "base/text.h"
#include "domain/sql.h"

#include "base/banned.h"

static bool
entries(struct store *s, struct mem *m, enum sql_statement which,
    const struct db_value *values, struct journal_entry **out, size_t *count,
    struct err *e)
{
	struct db_rows		*rows;
	struct journal_entry	*j;

	if (!sql_run(s, m, which, values, &rows, e))
		return false;
	*count = db_count(rows);
	*out = j = mem_array(m, *count + 1, sizeof(*j));
	for (size_t i = 0; i < *count; i++, j++) {
		const char **const texts[] = { &j->id, &j->received_at,
		    &j->route, &j->uri, &j->sid, &j->status, &j->source,
		    &j->verdict, &j->refused, &j->replayed_at };

		for (int k = 0; k < 10; k++)
			*texts[k] = db_get(rows, i, k);
		j->body = db_get_bytes(rows, m, i, 10, &j->body_bytes);
	}
	return true;
}

bool
journal_list(struct store *s, struct mem *m, const struct journal_query *q,
    struct journal_entry **out, size_t *count, struct err *e)
{
	const struct db_value values[] = { db_number(m, q->most),
	    db_text(q->number), db_text(q->verdict), db_text(q->since),
	    db_text(q->sid) };

	return entries(s, m, SQL_JOURNAL, values, out, count, e);
}

bool
journal_get(struct store *s, struct mem *m, const char *id,
    struct journal_entry *out, struct err *e)
{
	const struct db_value	 values[] = { db_text(id) };
	struct journal_entry	*list;
	size_t			 count;

	if (!entries(s, m, SQL_JOURNAL_ENTRY, values, &list, &count, e))
		return false;
	if (count == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no entry %s", id);
	*out = list[0];
	return true;
}

bool
journal_next(struct store *s, struct mem *m, const char *since,
    const struct journal_entry *after, struct journal_entry **out,
    size_t *count, struct err *e)
{
	const struct db_value values[] = { db_text(since),
	    db_text(after == NULL ? NULL : after->received_at),
	    db_text(after == NULL ? NULL : after->id) };

	return entries(s, m, SQL_JOURNAL_NEXT, values, out, count, e);
}

bool
journal_bury(struct store *s, struct mem *m, const char *source,
    const void *bytes, size_t n, const char *why, const char *came_at,
    struct err *e)
{
	/* An event's key is its hash as bytes; this one's is in hex. */
	const char		*hash = text_sha256(m, bytes, n);
	const struct db_value	 values[] = { db_bytes(hash, 64),
				     db_text(source), db_bytes(bytes, n),
				     db_text(why), db_text(came_at) };

	return sql_run(s, m, SQL_BURY, values, NULL, e);
}

bool
journal_unbury(struct store *s, struct mem *m, const char *id, struct err *e)
{
	const struct db_value values[] = { db_text(id) };

	return sql_run(s, m, SQL_UNBURY, values, NULL, e);
}

long
journal_days(const struct cfg *cfg)
{
	const long kept = cfg->retention_days;

	return kept != 0 && kept < cfg->journal_days ? kept :
	    cfg->journal_days;
}

bool
journal_forget(struct store *s, struct mem *m, long days, size_t most,
    size_t *count, struct err *e)
{
	const struct db_value	 values[] = { db_number(m, days),
				     db_number(m, (long)most) };
	struct db_rows		*rows;

	if (!sql_run(s, m, SQL_FORGET, values, &rows, e))
		return false;
	*count = (size_t)db_get_long(rows, 0, 0);
	return true;
}

bool
journal_forget_sends(struct store *s, struct mem *m, long days,
    struct err *e)
{
	const struct db_value values[] = { db_number(m, days) };

	return sql_run(s, m, SQL_FORGET_SENDS, values, NULL, e);
}
