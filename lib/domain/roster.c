/* SPDX-License-Identifier: ISC */
/* roster: three statements. */
#include "domain/roster.h"

#include "domain/sql.h"

#include "base/banned.h"

bool
roster_assign(struct store *s, struct mem *m, const char *number,
    const char *user_id, const char *sid, struct err *e)
{
	const struct db_value values[] = { db_text(number), db_text(user_id),
	    db_text(sid) };

	return sql_run(s, m, SQL_NUMBER_ASSIGN, values, NULL, e);
}

bool
roster_list(struct store *s, struct mem *m, struct roster_number **out,
    size_t *count, struct err *e)
{
	struct db_rows *rows;

	if (!sql_run(s, m, SQL_NUMBER_LIST, NULL, &rows, e))
		return false;
	*count = db_count(rows);
	*out = mem_array(m, *count + 1, sizeof(**out));
	for (size_t i = 0; i < *count; i++)
		(*out)[i] = (struct roster_number){ db_get(rows, i, 0),
		    db_get(rows, i, 1), db_get(rows, i, 2) };
	return true;
}

bool
roster_retry(struct store *s, struct mem *m, const char *recording_sid,
    size_t *count, struct err *e)
{
	const struct db_value	 values[] = { db_text(recording_sid) };
	struct db_rows		*rows;

	if (!sql_run(s, m, SQL_RETRY, values, &rows, e))
		return false;
	*count = db_count(rows);
	return true;
}
