/* SPDX-License-Identifier: ISC */
/* key_probe: checks a wrong API key in measured(), against a table in which
 * its id is unknown ("unknown"), or known with a hash that is the same up to
 * its n-th digit; for t/security-timing.t, which counts the instructions. What
 * it prints is how often the table was asked. */
#include "domain/key.h"

#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/text.h"
#include "domain/sql.h"
#include "tap.h"

#define KEY	"tw_abcdefgh_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

static char		 hash[65];
static struct db_rows	*answer;
static int		 asked;

/* In the place of the store's, with an answer that is there already. */
bool
sql_run(struct store *s, struct mem *m, enum sql_statement which,
    const struct db_value *values, struct db_rows **rows, struct err *e)
{
	(void)s;
	(void)m;
	(void)which;
	(void)values;
	(void)e;
	asked++;
	*rows = answer;
	return true;
}

/* What the table says of the id: a row, or none. */
static void
make_answer(struct mem *m, bool known)
{
	char			 name[] = "x", *values[] = { hash, NULL,
				     (char[]){ "read" }, (char[]){ "f" } };
	PGresAttDesc		 columns[4];
	PGresult		*r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

	memset(columns, 0, sizeof(columns));
	for (int i = 0; i < 4; i++)
		columns[i].name = name;
	if (r == NULL || PQsetResultAttrs(r, 4, columns) == 0)
		abort();
	for (int i = 0; known && i < 4; i++)
		if (PQsetvalue(r, 0, i, values[i], values[i] == NULL ? -1 :
		    (int)strlen(values[i])) == 0)
			abort();
	answer = db_rows(m, r);
}

__attribute__((noinline)) bool measured(struct mem *, struct key *,
    struct err *);

bool
measured(struct mem *m, struct key *k, struct err *e)
{
	return key_check(NULL, m, "Bearer " KEY, k, e);
}

int
main(int argc, char **argv)
{
	struct mem	*m = mem_new();
	struct key	 k;
	struct err	 e;
	size_t		 right;

	if (argc != 2)
		return 64;
	(void)snprintf(hash, sizeof(hash), "%s", text_sha256(m, KEY,
	    strlen(KEY)));
	make_answer(m, true);
	if (!key_check(NULL, m, "Bearer " KEY, &k, &e))
		return 1;
	right = strtoul(argv[1], NULL, 10);
	for (size_t i = right; i < 64; i++)
		hash[i] = hash[i] == '0' ? '1' : '0';
	make_answer(m, strcmp(argv[1], "unknown") != 0);
	asked = 0;
	if (measured(m, &k, &e) || e.kind != ERR_AUTH)
		return 2;
	printf("%d\n", asked);
	mem_free(m);
	return 0;
}
