/* SPDX-License-Identifier: ISC */
/* look: statements by list; the meaning is in sql_sweep.def. */
#include "domain/look.h"

#include "domain/sql.h"

#include "base/banned.h"

static const struct {
	const char		*name;
	enum sql_statement	 news, orphans;
} lists[LOOKS] = {
	[LOOK_CALLS] = { "Calls", SQL_CALLS_NEWS, SQL_CALLS_ORPHANS },
	[LOOK_MESSAGES] = { "Messages", SQL_MESSAGES_NEWS,
	    SQL_MESSAGES_ORPHANS },
	[LOOK_RECORDINGS] = { "Recordings", SQL_RECORDINGS_NEWS,
	    SQL_RECORDINGS_ORPHANS },
};

const char *
look_name(enum look_list list)
{
	return lists[list].name;
}

bool
look_begin(struct store *s, struct mem *m, const struct cfg *cfg,
    const char *account_sid, enum look_list list, struct look *l, bool *mine,
    struct err *e)
{
	const struct db_value	 values[] = { db_text(account_sid),
				     db_text(lists[list].name),
				     db_number(m, cfg->reconcile_days),
				     db_number(m, cfg->reconcile_minutes) };
	struct db_rows		*rows;

	if (!sql_run(s, m, SQL_LOOK_BEGIN, values, &rows, e))
		return false;
	*mine = db_count(rows) != 0;
	if (*mine)
		*l = (struct look){ .since_s = db_get_long(rows, 0, 0),
		    .began_s = db_get_long(rows, 0, 1),
		    .page = db_get(rows, 0, 2),
		    .first = db_get_long(rows, 0, 3) == 0,
		    .deep = db_get_long(rows, 0, 4) != 0 };
	return true;
}

bool
look_page_done(struct store *s, struct mem *m, const struct cfg *cfg,
    const char *account_sid, enum look_list list, const char *next,
    struct err *e)
{
	const struct db_value values[] = { db_text(account_sid),
	    db_text(lists[list].name), db_text(next),
	    db_number(m, cfg->reconcile_minutes) };

	return sql_run(s, m, SQL_LOOK_PAGE, values, NULL, e);
}

bool
look_end(struct store *s, struct mem *m, const char *account_sid,
    enum look_list list, struct err *e)
{
	const struct db_value values[] = { db_text(account_sid),
	    db_text(lists[list].name) };

	return sql_run(s, m, SQL_LOOK_END, values, NULL, e);
}

bool
look_news(struct store *s, struct mem *m, enum look_list list,
    const char *page_json, struct look_news **out, size_t *count,
    struct err *e)
{
	const struct db_value	 values[] = { db_text(page_json) };
	struct db_rows		*rows;

	if (!sql_run(s, m, lists[list].news, values, &rows, e))
		return false;
	*count = db_count(rows);
	*out = mem_array(m, *count + 1, sizeof(**out));
	for (size_t i = 0; i < *count; i++)
		(*out)[i] = (struct look_news){
		    .n = (size_t)db_get_long(rows, i, 0),
		    .known = db_get_long(rows, i, 1) != 0 };
	return true;
}

static void
first_column(struct mem *m, const struct db_rows *rows, const char ***out,
    size_t *count)
{
	*count = db_count(rows);
	*out = mem_array(m, *count + 1, sizeof(**out));
	for (size_t i = 0; i < *count; i++)
		(*out)[i] = db_get(rows, i, 0);
}

bool
look_orphans(struct store *s, struct mem *m, enum look_list list,
    const char *account_sid, long since_s, long until_s,
    const char *sids_json, const char ***sids, size_t *count, struct err *e)
{
	const struct db_value	 values[] = { db_text(account_sid),
				     db_number(m, since_s),
				     db_number(m, until_s),
				     db_text(sids_json) };
	struct db_rows		*rows;

	if (!sql_run(s, m, lists[list].orphans, values, &rows, e))
		return false;
	first_column(m, rows, sids, count);
	return true;
}

bool
look_numbers(struct store *s, struct mem *m, const char ***out, size_t *count,
    struct err *e)
{
	struct db_rows *rows;

	if (!sql_run(s, m, SQL_NUMBERS, NULL, &rows, e))
		return false;
	first_column(m, rows, out, count);
	return true;
}
