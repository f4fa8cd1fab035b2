/* SPDX-License-Identifier: ISC */
/* sql: the statements of sql.def by name, for the files of this floor that
 * run them. Nobody above includes it. */
#ifndef DOMAIN_SQL_H
#define DOMAIN_SQL_H

#include "domain/store.h"
#include "edge/db.h"

enum sql_statement {
#define SQL(id, programs, params, columns, text) id,
#include "domain/sql.def"
#include "domain/sql_api.def"
#include "domain/sql_erase.def"
#include "domain/sql_sweep.def"
#undef SQL
	SQL_STATEMENTS
};

MUST_CHECK bool	 sql_run(struct store *, struct mem *, enum sql_statement,
		     const struct db_value *, struct db_rows **, struct err *);

#endif
