/* SPDX-License-Identifier: ISC */
/* erasure: statements in batches; the meaning is in sql_erase.def. */
#include "domain/erasure.h"

#include <string.h>

#include "domain/sql.h"

#include "base/banned.h"

#define BATCH		500
#define ENTRIES		50000L	/* of the journal, looked through at once */
#define TRIES		5	/* of two that wait for each other one loses */

/* One batch; *any: it was not empty. */
static bool
take(struct store *s, struct mem *m, enum sql_statement which,
    const struct db_value *values, struct erasure *sum, bool *any,
    struct err *e)
{
	size_t *const	 counts[] = { &sum->calls, &sum->texts,
			    &sum->recordings, &sum->transcripts,
			    &sum->webhooks, &sum->paid };
	struct db_rows	*rows;

	for (int i = 1; !sql_run(s, m, which, values, &rows, e); i++)
		if (e->kind != ERR_DOWN || i == TRIES)
			return false;
	*any = false;
	for (int i = 0; i < 6; i++) {
		size_t n = (size_t)db_get_long(rows, 0, i);

		*counts[i] += n;
		*any = *any || (i < 3 && n != 0);
	}
	return true;
}

static bool
take_all(struct store *s, enum sql_statement which, const char *number,
    struct erasure *sum, struct err *e)
{
	bool ok, any = true;

	do {
		struct mem		*m = mem_new();
		const struct db_value	 n = db_number(m, BATCH);
		const struct db_value	 values[] = { number == NULL ? n :
					     db_text(number), n };

		ok = take(s, m, which, values, sum, &any, e);
		mem_free(m);
	} while (ok && any);
	return ok;
}

bool
erasure_count(struct store *s, struct mem *m, const char *number,
    struct erasure *sum, size_t *under_way, struct err *e)
{
	const struct db_value	 values[] = { db_text(number) };
	struct db_rows		*rows;

	if (!sql_run(s, m, SQL_ERASE_COUNT, values, &rows, e))
		return false;
	*sum = (struct erasure){ .calls = (size_t)db_get_long(rows, 0, 0),
	    .texts = (size_t)db_get_long(rows, 0, 1),
	    .recordings = (size_t)db_get_long(rows, 0, 2),
	    .transcripts = (size_t)db_get_long(rows, 0, 3) };
	*under_way = (size_t)db_get_long(rows, 0, 4);
	return true;
}

/* "+1500…" in a form, as Twilio encodes it or as it is. */
static bool
forget_bytes(struct store *s, const char *number, size_t *count,
    struct err *e)
{
	const char	*digits = number + 1;
	struct mem	*m = mem_new();
	struct db_rows	*rows;
	long		 end = 0;
	bool		 ok;

	ok = sql_run(s, m, SQL_ERASE_BYTES_END, NULL, &rows, e);
	if (ok)
		end = db_get_long(rows, 0, 0);
	for (long from = 0; ok && from < end; from += ENTRIES) {
		const struct db_value values[] = {
			db_bytes(digits, strlen(digits)),
			db_text(mem_printf(m, "(%%2B|[+])%s([^0-9]|$)",
			    digits)),
			db_number(m, from), db_number(m, from + ENTRIES) };

		ok = sql_run(s, m, SQL_ERASE_BYTES, values, &rows, e);
		if (ok)
			*count += (size_t)db_get_long(rows, 0, 0);
	}
	mem_free(m);
	return ok;
}

bool
erasure_number(struct store *s, const char *number, struct erasure *sum,
    struct err *e)
{
	return take_all(s, SQL_ERASE_NUMBER, number, sum, e) &&
	    take_all(s, SQL_ERASE_LEGS, NULL, sum, e) &&
	    take_all(s, SQL_ERASE_BACK, NULL, sum, e) &&
	    forget_bytes(s, number, &sum->webhooks, e);
}

bool
erasure_traces(struct store *s, struct mem *m, const char *number,
    size_t *count, struct err *e)
{
	const struct db_value	 values[] = { db_text(number),
				     db_text(number + 1) };
	struct db_rows		*rows;

	if (!sql_run(s, m, SQL_ERASE_TRACES, values, &rows, e))
		return false;
	*count = (size_t)db_get_long(rows, 0, 0);
	return true;
}

bool
erasure_back(struct store *s, struct erasure *sum, struct err *e)
{
	return take_all(s, SQL_ERASE_BACK, NULL, sum, e);
}

bool
erasure_old(struct store *s, struct mem *m, long days, size_t most,
    struct erasure *sum, bool *more, struct err *e)
{
	const struct db_value values[] = { db_number(m, days),
	    db_number(m, (long)most) };

	return take(s, m, SQL_ERASE_OLD, values, sum, more, e);
}

bool
erasure_consent(struct store *s, struct mem *m, const char *number,
    struct erasure_consent **out, size_t *count, struct err *e)
{
	const struct db_value	 values[] = { db_text(number) };
	struct db_rows		*rows;

	if (!sql_run(s, m, SQL_ERASE_CONSENT, values, &rows, e))
		return false;
	*count = db_count(rows);
	*out = mem_array(m, *count + 1, sizeof(**out));
	for (size_t i = 0; i < *count; i++)
		(*out)[i] = (struct erasure_consent){
		    .sender = db_get(rows, i, 0),
		    .out = db_get_long(rows, i, 1) != 0,
		    .day = db_get(rows, i, 2) };
	return true;
}

bool
erasure_note(struct store *s, struct mem *m, const char *json, struct err *e)
{
	const struct db_value values[] = { db_text(json) };

	return sql_run(s, m, SQL_ERASED_NOTE, values, NULL, e);
}

bool
erasure_due(struct store *s, struct mem *m, bool all, size_t most,
    struct erasure_todo **out, size_t *count, struct err *e)
{
	const struct db_value	 values[] = { db_number(m, (long)most),
				     db_bool(all) };
	struct db_rows		*rows;

	if (!sql_run(s, m, SQL_ERASED_DUE, values, &rows, e))
		return false;
	*count = db_count(rows);
	*out = mem_array(m, *count + 1, sizeof(**out));
	for (size_t i = 0; i < *count; i++)
		(*out)[i] = (struct erasure_todo){ db_get(rows, i, 0),
		    db_get(rows, i, 1), db_get_long(rows, i, 2) };
	return true;
}

bool
erasure_done(struct store *s, struct mem *m, const char *sid, struct err *e)
{
	const struct db_value values[] = { db_text(sid) };

	return sql_run(s, m, SQL_ERASED_DONE, values, NULL, e);
}

bool
erasure_later(struct store *s, struct mem *m, const char *sid, double seconds,
    struct err *e)
{
	const struct db_value values[] = { db_text(sid),
	    db_real(m, seconds) };

	return sql_run(s, m, SQL_ERASED_LATER, values, NULL, e);
}
