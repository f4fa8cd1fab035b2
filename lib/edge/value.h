/* SPDX-License-Identifier: ISC */
/* value: what goes into a statement and what comes out of it. */
#ifndef EDGE_VALUE_H
#define EDGE_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct db_value {
	const char	*p;		/* NULL is SQL NULL */
	size_t		 n;		/* bytes, for binary only */
	bool		 binary;	/* bytea as it is; else text */
};

struct db_rows;

struct db_value	 db_text(const char *s);
struct db_value	 db_bytes(const void *p, size_t n);
struct db_value	 db_number(struct mem *, long);
struct db_value	 db_real(struct mem *, double);
struct db_value	 db_bool(bool);

size_t		 db_count(const struct db_rows *);
size_t		 db_changed(const struct db_rows *);	/* inserted, updated */
const char	*db_get(const struct db_rows *, size_t row, int column);
		     /* text, NULL for SQL NULL */
const char	*db_get_bytes(const struct db_rows *, struct mem *, size_t row,
		     int column, size_t *n);	/* bytea, NULL for SQL NULL */
long		 db_get_long(const struct db_rows *, size_t row, int column);

/* For db: a result of libpq's, which is the mem's from now on. */
struct pg_result;
struct db_rows	*db_rows(struct mem *, struct pg_result *);

#endif
