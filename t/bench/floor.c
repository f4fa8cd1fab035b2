/* SPDX-License-Identifier: ISC */
/* floor: the least that a worker can be that stores a webhook before it answers.
 * It waits as ringback's does and says ringback's statement and answer, with
 * one value that is new; the request it neither reads nor checks, and it writes
 * no log. What ringback takes above this is what its promises cost. A request
 * with the parameter PROMISES it leaves to least.h, which keeps them.
 *
 *	floor STATEMENT ANSWER WHOLE	files; $1 is what must be new; WHOLE
 *					is ringback's statement as it is
 *
 * libpq's environment variables name the database. */
#include <fcgiapp.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "edge/fcgi.h"
#include "least.h"

struct text {
	int	 len;
	char	 s[16384];
};

static int
fail(const char *why)
{
	fprintf(stderr, "floor: %s\n", why);
	return 1;
}

static bool
read_text(struct text *t, const char *path)
{
	FILE *fp = fopen(path, "r");

	if (fp == NULL)
		return false;
	t->len = (int)fread(t->s, 1, sizeof(t->s) - 1, fp);
	fclose(fp);
	return t->len > 0;
}

/* What PostgreSQL has to say, or else whose fault it is. */
static int
fail_with(PGconn *db, const char *otherwise)
{
	const char *why = PQerrorMessage(db);

	return fail(why[0] != '\0' ? why : otherwise);
}

static bool
prepare(PGconn *db, const char *name, const char *path)
{
	struct text	*statement = calloc(1, sizeof(*statement));
	PGresult	*r;
	bool		 ok;

	if (statement == NULL || !read_text(statement, path))
		return false;
	r = PQprepare(db, name, statement->s, 0, NULL);
	ok = PQresultStatus(r) == PGRES_COMMAND_OK;
	PQclear(r);
	free(statement);
	return ok;
}

static bool
store(PGconn *db)
{
	char		 room[TEXT_DECIMAL_BYTES];
	const char	*value = text_decimal(room, 1UL << 62 |
			    (unsigned long)random() << 31 |
			    (unsigned long)random());
	PGresult	*r;
	bool		 ok;

	r = PQexecPrepared(db, "webhook", 1, &value, NULL, NULL, 0);
	ok = PQresultStatus(r) == PGRES_COMMAND_OK;
	PQclear(r);
	return ok;
}

static void
send_answer(FCGX_Request *q, const struct text *answer)
{
	char	rest[4096], room[TEXT_DECIMAL_BYTES];

	while (FCGX_GetStr(rest, sizeof(rest), q->in) > 0)
		;	/* behind what is unread no connection is kept */
	FCGX_PutS("Status: 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\n"
	    "Content-Length: ", q->out);
	FCGX_PutS(text_decimal(room, (unsigned long)answer->len), q->out);
	FCGX_PutS("\r\nCache-Control: no-store\r\n\r\n", q->out);
	FCGX_PutStr(answer->s, answer->len, q->out);
	FCGX_Finish_r(q);
}

int
main(int argc, char **argv)
{
	static struct text	 answer;
	PGconn			*db = PQconnectdb("");
	struct fcgi		*fcgi;
	FCGX_Request		*q;
	struct err		 e;
	bool			 whole;

	if (argc != 4 || !read_text(&answer, argv[2]))
		return fail("no answer");
	if (!prepare(db, "webhook", argv[1]) || !prepare(db, "least", argv[3]))
		return fail_with(db, "no statement");
	srandom((unsigned)time(NULL) ^ (unsigned)getpid() << 8);
	if (!fcgi_open(&fcgi, mem_new(), 0, &e))
		return fail(e.text);
	while ((q = fcgi_next(fcgi, &e)) != NULL) {
		whole = FCGX_GetParam("PROMISES", q->envp) != NULL;
		if (!(whole ? least_store(q, db) : store(db)))
			return fail_with(db, "that is no call as Twilio tells "
			    "of it");
		send_answer(q, &answer);
		if (whole)
			least_log();
	}
	return 0;
}
