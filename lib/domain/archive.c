/* SPDX-License-Identifier: ISC */
/* archive: pages by cursor, so page 10,000 costs what page 1 costs. */
#include "domain/archive.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "domain/sql.h"

#include "base/banned.h"

/* A cursor is the place of the last row seen: microseconds and row id. */
static bool
cursor_split(struct mem *m, const char *cursor, const char **micros,
    const char **id, struct err *e)
{
	size_t n = strspn(cursor, "0123456789");

	if (n == 0 || n > 18 || cursor[n] != '-' ||
	    !text_is_uuid(cursor + n + 1))
		return err_field(e, ERR_INPUT, "invalid_cursor", "cursor",
		    "cursor: use what the page before gave as next");
	*micros = mem_dup_n(m, cursor, n);
	*id = cursor + n + 1;
	return true;
}

bool
archive_page(struct store *s, struct mem *m, enum archive_kind kind,
    const struct archive_query *q, struct buf *out, const char **next,
    struct err *e)
{
	enum { OF_ALL, OF_USER, OF_NUMBER, SCOPES };
	static const enum sql_statement plain[][SCOPES] = {
		[ARCHIVE_CALL] = { SQL_CALLS, SQL_CALLS_OF_USER,
		    SQL_CALLS_OF_NUMBER },
		[ARCHIVE_SMS] = { SQL_TEXTS, SQL_TEXTS_OF_USER,
		    SQL_TEXTS_OF_NUMBER },
	}, heard[SCOPES] = { SQL_HEARD, SQL_HEARD_OF_USER,
	    SQL_HEARD_OF_NUMBER };
	const int	 scope = q->number != NULL ? OF_NUMBER :
			    q->user_id != NULL ? OF_USER : OF_ALL;
	const char	*micros = NULL, *id = NULL;
	struct db_rows	*rows;
	size_t		 count, last;

	if (q->cursor != NULL && !cursor_split(m, q->cursor, &micros, &id, e))
		return false;
	{
		const struct db_value values[] = {
			db_number(m, q->limit + 1), db_text(q->user_id),
			db_text(q->since), db_text(q->until),
			db_text(q->status), db_text(q->direction),
			db_text(micros), db_text(id), db_text(q->words),
			db_text(q->number),
		};

		if (!sql_run(s, m, kind == ARCHIVE_CALL && q->words != NULL ?
		    heard[scope] : plain[kind][scope], values, &rows, e))
			return false;
	}
	count = db_count(rows);
	last = count > (size_t)q->limit ? (size_t)q->limit : count;
	buf_chr(out, '[');
	for (size_t i = 0; i < last; i++)
		buf_printf(out, "%s%s", i == 0 ? "" : ",", db_get(rows, i, 0));
	buf_chr(out, ']');
	*next = count == last ? NULL : mem_printf(m, "%s-%s",
	    db_get(rows, last - 1, 1), db_get(rows, last - 1, 2));
	return true;
}

bool
archive_show(struct store *s, struct mem *m, enum archive_kind kind,
    const char *sid, const char *user_id, const char **json, struct err *e)
{
	static const enum sql_statement statements[] = { SQL_CALL_SHOW,
	    SQL_TEXT_SHOW, SQL_RECORDING_SHOW, SQL_TRANSCRIPTION_SHOW };
	static const char *const names[] = { "call", "message", "recording",
	    "transcription" };
	const bool		 by_id = strchr(sid, '-') != NULL;
	const struct db_value	 values[] = {
		db_text(by_id ? NULL : sid), db_text(user_id),
		db_text(by_id ? sid : NULL),
	};
	struct db_rows		*rows;

	if (!sql_run(s, m, statements[kind], values, &rows, e))
		return false;
	if (db_count(rows) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such %s",
		    names[kind]);
	*json = db_get(rows, 0, 0);
	return true;
}

bool
archive_backlog(struct store *s, struct mem *m, struct archive_backlog *b,
    struct err *e)
{
	struct db_rows *rows;

	if (!sql_run(s, m, SQL_BACKLOG, NULL, &rows, e))
		return false;
	*b = (struct archive_backlog){ db_get_long(rows, 0, 0),
	    db_get_long(rows, 0, 1), db_get_long(rows, 0, 2),
	    db_get_long(rows, 0, 3), db_get(rows, 0, 4) };
	return true;
}
