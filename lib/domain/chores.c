/* SPDX-License-Identifier: ISC */
/* chores: a column each; the meaning is in sql_sweep.def. */
#include "domain/chores.h"

#include "domain/account.h"
#include "domain/journal.h"
#include "domain/sql.h"

#include "base/banned.h"

/* Whose lists are looked at, with commas; NULL: nobody's. */
static const char *
accounts(const struct cfg *cfg, struct mem *m)
{
	const char	*list = NULL;
	struct account	 a;

	for (size_t i = 0; cfg->reconcile_minutes != 0 &&
	    account_at(cfg, m, i, &a); i++)
		list = list == NULL ? a.sid : mem_printf(m, "%s,%s", list,
		    a.sid);
	return list;
}

bool
chores_ask(struct store *s, const struct cfg *cfg, struct chores *c,
    struct err *e)
{
	bool *const		 answers[] = { &c->pauses, &c->sends,
				     &c->lists, &c->back, &c->leases, &c->due,
				     &c->deletions, &c->old, &c->errands,
				     &c->journal };
	struct mem		*m = mem_new();
	const struct db_value	 values[] = {
		cfg->retention_days == 0 ? db_text(NULL) :
		    db_number(m, cfg->retention_days),
		db_number(m, journal_days(cfg)), db_text(accounts(cfg, m)),
		db_bool(cfg->delete_recordings) };
	struct db_rows		*rows;
	bool			 ok = sql_run(s, m, SQL_CHORES, values, &rows,
				    e);

	for (int i = 0; ok && i < (int)(sizeof(answers) /
	    sizeof(answers[0])); i++)
		*answers[i] = db_get(rows, 0, i) != NULL;
	mem_free(m);
	return ok;
}
