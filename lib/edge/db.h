/* SPDX-License-Identifier: ISC */
/* db: one PostgreSQL connection that heals itself. Every statement is in a
 * table, prepared at connect and checked against the server, or those that are
 * for later, all of them, before the first of them is run; values are always
 * parameters. Every wait has a deadline, so a dead server costs the
 * caller at most timeout_ms; after a failure the next tries fail at once for
 * a second (a breaker) instead of making each request wait, and for longer,
 * up to eight, while every try runs into its deadline.
 *
 * Failures: ERR_DOWN when the database cannot be reached or asked us to come
 * back (SQLSTATE classes 08, 40, 53, 55, 57, 58 and 25006): nothing is known
 * to be stored. ERR_INPUT for values it refuses (22, 23). ERR_SYSTEM else. */
#ifndef EDGE_DB_H
#define EDGE_DB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "edge/value.h"

struct db;

struct db_statement {
	const char	*name;		/* NULL: not used by this program */
	const char	*text;
	unsigned char	 params;
	unsigned char	 columns;
	bool		 later;		/* prepared when one of these is run */
};

struct db_options {
	const char		*url;
	const char		*program;	/* application_name */
	const struct db_statement *statements;
	size_t			 count;
	long			 timeout_ms;	/* per statement: connecting,
					   preparing and the network included */
	bool			 lock;		/* see db_lock() */
	bool			 later;		/* some of them are */
	bool			 plan_each_time;	/* for statements whose
					   values decide the best plan */
};

/* Does not connect yet: a worker starts while the database is away. */
struct db	*db_new(struct mem *, const struct db_options *);

/* Whatever is asked of it from now on is over by then (clock_ms(); 0: no
 * such limit), each statement's own timeout besides. */
void		 db_until(struct db *, long deadline_ms);

/* Connects now, or again if the server has hung up since. For a start-up
 * check: ERR_CONFIG when the schema does not fit the statements. */
MUST_CHECK bool	 db_check(struct db *, struct err *);

/* With those statements, too, that are for later. */
MUST_CHECK bool	 db_check_all(struct db *, struct err *);

/* How often it has connected. */
unsigned	 db_sessions(const struct db *);

/* A session's lock is how others see that it lives: pg_locks has it, as
 * advisory lock (DB_LOCK_CLASS, this number), until the connection ends,
 * whatever ends it. Each connection draws another number. */
#define DB_LOCK_CLASS	"1380076887"	/* "RBSW" */
long		 db_lock(const struct db *);

/* Runs statement number `which` (one statement = one transaction) with its
 * `params` values. Rows live in mem. */
MUST_CHECK bool	 db_run(struct db *, struct mem *, size_t which,
		     const struct db_value *, struct db_rows **, struct err *);

/* --- for batch, which has a connection between two calls of the above --- */

struct pg_conn;		/* libpq's PGconn */

/* A connection with all statements prepared, until db_give_back(); NULL: the
 * database is away. Whoever else needs it first calls recall(arg), which is
 * to finish within the deadline and give it back. */
struct pg_conn	*db_borrow(struct db *, void (*recall)(void *), void *arg,
		     long *deadline_ms, struct err *);
void		 db_give_back(struct db *);
/* The connection is of no use any more; always false. */
bool		 db_lost(struct db *, struct err *);
const struct db_statement *db_statement(const struct db *, size_t which);

#endif
