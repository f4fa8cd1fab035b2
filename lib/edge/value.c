/* SPDX-License-Identifier: ISC */
/* value: text both ways, but for bytea on the way in. */
#include "edge/value.h"

#include <libpq-fe.h>

#include "base/text.h"

#include "base/banned.h"

struct db_rows {
	PGresult	*result;
};

static void
rows_release(void *arg)
{
	PQclear(arg);
}

struct db_rows *
db_rows(struct mem *m, PGresult *r)
{
	struct db_rows *rows = mem_get(m, sizeof(*rows));

	rows->result = r;
	mem_defer(m, rows_release, r);
	return rows;
}

struct db_value
db_text(const char *s)
{
	return (struct db_value){ .p = s };
}

struct db_value
db_bytes(const void *p, size_t n)
{
	return (struct db_value){ .p = p, .n = n, .binary = true };
}

const char *
db_get_bytes(const struct db_rows *rows, struct mem *m, size_t row,
    int column, size_t *n)
{
	const char	*text = db_get(rows, row, column);
	unsigned char	*bytes = text == NULL ? NULL :
			    PQunescapeBytea((const unsigned char *)text, n);
	const char	*copy;

	if (bytes == NULL)
		return NULL;
	copy = mem_dup_n(m, bytes, *n);
	PQfreemem(bytes);
	return copy;
}

struct db_value
db_number(struct mem *m, long v)
{
	return db_text(mem_printf(m, "%ld", v));
}

struct db_value
db_real(struct mem *m, double v)
{
	return db_text(mem_printf(m, "%.3f", v));
}

struct db_value
db_bool(bool v)
{
	return db_text(v ? "t" : "f");
}

size_t
db_count(const struct db_rows *rows)
{
	return (size_t)PQntuples(rows->result);
}

size_t
db_changed(const struct db_rows *rows)
{
	long n;

	return text_to_long(PQcmdTuples(rows->result), 0, 1L << 62, &n) ?
	    (size_t)n : 0;
}

const char *
db_get(const struct db_rows *rows, size_t row, int column)
{
	return PQgetisnull(rows->result, (int)row, column) ? NULL :
	    PQgetvalue(rows->result, (int)row, column);
}

long
db_get_long(const struct db_rows *rows, size_t row, int column)
{
	const char	*s = db_get(rows, row, column);
	long		 v = 0;

	return s != NULL && text_to_long(s, -(1L << 62), 1L << 62, &v) ? v : 0;
}
