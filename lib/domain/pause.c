/* SPDX-License-Identifier: ISC */
/* pause: a row a service. */
#include "domain/pause.h"

#include "domain/sql.h"

#include "base/banned.h"

bool
pause_list(struct store *s, struct mem *m, struct pause **out, size_t *count,
    struct err *e)
{
	struct db_rows *rows;

	if (!sql_run(s, m, SQL_PAUSES, NULL, &rows, e))
		return false;
	*count = db_count(rows);
	*out = mem_array(m, *count + 1, sizeof(**out));
	for (size_t i = 0; i < *count; i++)
		(*out)[i] = (struct pause){ .service = db_get(rows, i, 0),
		    .left_s = db_get_long(rows, i, 1),
		    .why = db_get(rows, i, 2) };
	return true;
}

bool
pause_begin(struct store *s, struct mem *m, const char *service, long seconds,
    const char *why, bool *fresh, struct err *e)
{
	const struct db_value	 values[] = { db_text(service),
				     db_number(m, seconds), db_text(why) };
	struct db_rows		*rows;

	if (!sql_run(s, m, SQL_PAUSE, values, &rows, e))
		return false;
	*fresh = db_get_long(rows, 0, 0) != 0;
	return true;
}

bool
pause_end(struct store *s, struct mem *m, const char *service, struct err *e)
{
	const struct db_value values[] = { db_text(service) };

	return sql_run(s, m, SQL_RESUME, values, NULL, e);
}
