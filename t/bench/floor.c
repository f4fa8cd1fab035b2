/* SPDX-License-Identifier: ISC */
/* floor: the least that a worker can be that stores a webhook before it answers.
 * It waits as ringback's does and says ringback's statement and answer, with
 * one value that is new; the request it neither reads nor checks, and it writes
 * no log. What ringback takes above this is what its promises cost.
 *
 *	floor STATEMENT ANSWER	two files; $1 is what must be new
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
	static struct text	 statement, answer;
	PGconn			*db = PQconnectdb("");
	PGresult		*r;
	struct fcgi		*fcgi;
	FCGX_Request		*q;
	struct err		 e;

	if (argc != 3 || !read_text(&statement, argv[1]) ||
	    !read_text(&answer, argv[2]))
		return fail("no statement or no answer");
	r = PQprepare(db, "webhook", statement.s, 0, NULL);
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		return fail(PQerrorMessage(db));
	PQclear(r);
	srandom((unsigned)time(NULL) ^ (unsigned)getpid() << 8);
	if (!fcgi_open(&fcgi, mem_new(), 0, &e))
		return fail(e.text);
	while ((q = fcgi_next(fcgi, &e)) != NULL) {
		if (!store(db))
			return fail(PQerrorMessage(db));
		send_answer(q, &answer);
	}
	return 0;
}
