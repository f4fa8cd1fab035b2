/* SPDX-License-Identifier: ISC */
/* upkeep: what an administrator does when something went wrong: looks at what
 * Twilio said, has it applied again, has recordings tried again, compares
 * with what Twilio has. */
#include "admin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "domain/pause.h"
#include "domain/roster.h"
#include "format/phone.h"
#include "reconcile.h"
#include "replay.h"

#include "base/banned.h"

int
retry_command(struct call *c)
{
	const bool	all = strcmp(c->args[0], "all") == 0;
	struct err	e;
	size_t		count;

	if (!roster_retry(c->store, c->m, c->args[0], &count, &e) ||
	    (all && !pause_end(c->store, c->m, "all", &e)))
		return admin_failed(&e);
	(void)printf("%zu recordings will be tried again by the next sweep\n",
	    count);
	return count != 0 || all ? 0 : EXIT_FAILED;
}

/* A stranger's bytes must not command the terminal. */
static void
print_bytes(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (isprint((unsigned char)p[i]) || p[i] == '\n')
			(void)putchar(p[i]);
		else
			(void)printf("\\x%02x", (unsigned char)p[i]);
}

static void
print_text(const char *s)
{
	print_bytes(s, strcspn(s, "\n"));
}

int
journal_list_command(struct call *c)
{
	struct journal_query	 q = { .verdict = c->verdict, .sid = c->sid,
				     .most = c->limit };
	struct journal_entry	*j;
	struct err		 e;
	size_t			 count;

	if (c->since_s != 0)
		q.since = clock_rfc3339(c->m, c->since_s);
	if (c->number != NULL && (q.number = phone_to_e164(c->m,
	    c->number)) == NULL) {
		(void)fprintf(stderr, "ringback-admin: a number is like "
		    "+15551230001\n");
		return EXIT_USAGE;
	}
	if (c->verdict != NULL && !text_matches(c->verdict,
	    "^(stored|unverified|refused)$"))
		return EXIT_USAGE;
	if (!journal_list(c->store, c->m, &q, &j, &count, &e))
		return admin_failed(&e);
	(void)printf("%-8s %-19s %-28s %-34s %-11s %-9s %s\n", "ID",
	    "RECEIVED", "ROUTE", "SID", "STATUS", "SOURCE", "VERDICT");
	for (size_t i = 0; i < count; i++) {
		(void)printf("%-8s %.19s %-28s %-34s %-11s %-9s %s%s",
		    j[i].id, j[i].received_at, j[i].route, j[i].sid,
		    j[i].status, j[i].source, j[i].verdict,
		    *j[i].refused == '\0' ? "" : ": ");
		print_text(j[i].refused);
		(void)putchar('\n');
	}
	return 0;
}

/* Its id is a number, and nothing else. */
static bool
entry_of(struct call *c, struct journal_entry *j, struct err *e)
{
	long v;

	return text_to_long(c->args[0], 1, 1L << 62, &v) ?
	    journal_get(c->store, c->m, c->args[0], j, e) :
	    err_set(e, ERR_INPUT, "an entry's id is a number");
}

int
journal_show_command(struct call *c)
{
	struct journal_entry	j;
	struct err		e;

	if (!entry_of(c, &j, &e))
		return admin_failed(&e);
	const struct {
		const char *name, *value;
	} lines[] = {
		{ "id", j.id }, { "received", j.received_at },
		{ "route", j.route }, { "uri", j.uri }, { "sid", j.sid },
		{ "status", j.status }, { "source", j.source },
		{ "verdict", j.verdict }, { "why", j.refused },
		{ "replayed", j.replayed_at },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (*lines[i].value != '\0') {
			(void)printf("%-9s ", lines[i].name);
			print_text(lines[i].value);
			(void)putchar('\n');
		}
	if (j.body == NULL) {
		(void)puts("\nIts bytes are forgotten (JOURNAL_DAYS).");
		return 0;
	}
	(void)putchar('\n');
	print_bytes(j.body, j.body_bytes);
	(void)putchar('\n');
	return 0;
}

int
replay_command(struct call *c)
{
	struct replay		r = { .cfg = c->cfg, .store = c->store };
	struct journal_entry	j;
	struct err		e;

	if (!entry_of(c, &j, &e) || !replay_entry(&r, c->m, &j, &e))
		return admin_failed(&e);
	(void)printf("entry %s was replayed\n", j.id);
	return 0;
}

int
replay_since_command(struct call *c)
{
	struct replay		 r = { .cfg = c->cfg, .store = c->store };
	const char		*since;
	struct mem		*m, *next;
	struct journal_entry	*j, *last = NULL;
	size_t			 count;
	struct err		 e;
	bool			 ok = true;

	if (c->since_s == 0)
		return EXIT_USAGE;
	since = clock_rfc3339(c->m, c->since_s);
	m = mem_new();
	do {
		next = mem_new();
		ok = journal_next(c->store, next, since, last, &j, &count, &e);
		for (size_t i = 0; ok && i < count; i++)
			if (!replay_entry(&r, next, &j[i], &e)) {
				ok = e.kind != ERR_DOWN;
				r.refused++;
				(void)fprintf(stderr, "ringback-admin: entry "
				    "%s: %s\n", j[i].id, e.text);
			}
		if (ok && count != 0)
			last = &j[count - 1];
		mem_free(m);
		m = next;
	} while (ok && count != 0);
	mem_free(m);
	if (!ok)
		return admin_failed(&e);
	(void)printf("%zu entries were replayed, %zu refused\n", r.stored,
	    r.refused);
	return r.refused == 0 ? 0 : EXIT_FAILED;
}

int
reconcile_command(struct call *c)
{
	struct reconcile	r = { .cfg = c->cfg, .store = c->store,
				    .since_s = c->since_s };
	struct err		e;

	if (c->since_s == 0)
		return EXIT_USAGE;
	if (!reconcile_all(&r, &e))
		return admin_failed(&e);
	(void)printf("%-12s %8s %8s %8s %8s\n", "TWILIO'S", "LISTED",
	    "MISSED", "LATE", "ORPHANS");
	for (enum look_list k = LOOK_CALLS; k < LOOKS; k++)
		(void)printf("%-12s %8zu %8zu %8zu %8zu\n", look_name(k),
		    r.found[k].listed, r.found[k].missed, r.found[k].late,
		    r.found[k].orphans);
	return r.failed ? EXIT_LATER : 0;
}
