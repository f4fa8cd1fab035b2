/* SPDX-License-Identifier: ISC */
/* erase: all that there is of somebody's number, here and at Twilio, goes, and
 * a receipt says what went and what stays. Whatever interrupts it, it can be
 * run again: what Twilio has still is noted in the commit in which our own
 * rows go, and neither Twilio's lists nor late webhooks bring anything back. */
#include "erase.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "domain/account.h"
#include "domain/look.h"
#include "format/phone.h"
#include "pages.h"
#include "wipe.h"

#include "base/banned.h"

#define TRIES		3
#define MOST		1000000	/* notes of what Twilio has */

void
erase_left(struct erase *x, const char *what)
{
	(void)printf("LEFT     %s\n", what);
	x->later = true;
}

static void
here(size_t count, const char *what)
{
	(void)printf("HERE     %8zu  %s\n", count, what);
}

/* --- whose number --- */

static bool
refuse_ours(struct err *e)
{
	return err_set(e, ERR_INPUT, "this is a number of yours, not "
	    "somebody's who called or texted it; nothing was erased");
}

static bool
is_theirs(struct erase *x, struct err *e)
{
	const char	**numbers;
	size_t		  count;

	if (x->c->cfg->phone_number != NULL &&
	    strcmp(x->c->cfg->phone_number, x->number) == 0)
		return refuse_ours(e);
	if (!look_numbers(x->c->store, x->m, &numbers, &count, e))
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(numbers[i], x->number) == 0)
			return refuse_ours(e);
	return true;
}

/* --- what Twilio has --- */

static bool
is_member(const cJSON *own, const char *name)
{
	return name != NULL && json_get(own, name) != NULL;
}

/* Patient with a Twilio that says when to come back. */
static bool
get_page(struct erase *x, struct mem *m, const struct account *a,
    const char *resource, const char *party, const char *number,
    const char *page, cJSON **root, const char **next, struct err *e)
{
	bool reached = false;

	for (int i = 1; !pages_get(x->c->cfg, m, a, resource, party, number,
	    page, PAGES_LARGEST, root, next, &reached, e); i++) {
		if (i == TRIES || e->kind != ERR_UPSTREAM ||
		    e->retry_after_s < 0)
			return false;
		(void)sleep(wipe_patience(e->retry_after_s));
	}
	return true;
}

/* The other side is one of ours: an account may serve others, too. */
static bool
look_at_list(struct erase *x, const struct account *a, const cJSON *own,
    const char *resource, const char *party, const char *number,
    struct err *e)
{
	const bool	 calls = strcmp(resource, "Calls") == 0;
	const char	*page = NULL;
	struct mem	*m = mem_new();
	const cJSON	*item;
	cJSON		*root, *notes, *o;
	bool		 ok;

	do {
		ok = get_page(x, m, a, resource, party, number, page, &root,
		    &page, e);
		if (!ok)
			break;
		notes = json_array(m);
		cJSON_ArrayForEach(item, json_get(root, calls ? "calls" :
		    "messages")) {
			const char *sid = json_text(item, "sid");

			if (sid == NULL || !phone_is_sid(sid, calls ? "CA" :
			    "SM|MM") || !(is_member(own, json_text(item,
			    "from")) || is_member(own, json_text(item, "to")) ||
			    is_member(own, json_text(item,
			    "messaging_service_sid"))))
				continue;
			*(calls ? &x->calls : &x->texts) += 1;
			o = cJSON_CreateObject();
			json_add_text(o, "sid", sid);
			json_add_text(o, "account", a->sid);
			json_add(notes, NULL, o);
		}
		ok = x->c->dry_run || erasure_note(x->c->store, m,
		    json_print(m, notes), e);
	} while (ok && page != NULL);
	mem_free(m);
	return ok;
}

/* Before anything is noted or taken away: what is ours is not somebody's, in
 * none of our accounts. */
static bool
find_own(struct erase *x, struct err *e)
{
	struct account	 a;
	bool		 reached;

	x->own = json_array(x->m);
	for (size_t i = 0; account_at(x->c->cfg, x->m, i, &a); i++) {
		cJSON *own = cJSON_CreateObject();

		json_add(x->own, NULL, own);
		if (!pages_own_numbers(x->c->cfg, x->c->store, x->m, &a, own,
		    &reached, e)) {
			if (e->kind == ERR_DOWN)
				return false;
			x->why = mem_printf(x->m, "what only Twilio knows of: "
			    "%s", e->text);
		}
		if (is_member(own, x->number))
			return refuse_ours(e);
	}
	return true;
}

static bool
look_at_account(struct erase *x, const struct account *a, const cJSON *own,
    struct err *e)
{
	static const char *const parties[] = { "From", "To" };
	const char *channel = mem_printf(x->m, "whatsapp:%s", x->number);

	for (int i = 0; i < 2; i++)
		if (!look_at_list(x, a, own, "Calls", parties[i], x->number,
		    e) || !look_at_list(x, a, own, "Messages", parties[i],
		    x->number, e) || !look_at_list(x, a, own, "Messages",
		    parties[i], channel, e))
			return false;
	return true;
}

/* Calls and texts of which we know nothing, or not any more. False: the
 * database is away. */
static bool
look_at_twilio(struct erase *x, struct err *e)
{
	struct account a;

	for (size_t i = 0; x->why == NULL && account_at(x->c->cfg, x->m, i,
	    &a); i++)
		if (!look_at_account(x, &a, cJSON_GetArrayItem(x->own, (int)i),
		    e)) {
			if (e->kind == ERR_DOWN)
				return false;
			x->why = mem_printf(x->m, "what only Twilio knows of: "
			    "%s", e->text);
		}
	if (x->why != NULL)
		erase_left(x, x->why);
	return true;
}

static bool
wipe(struct erase *x, struct err *e)
{
	struct wipe w = { .cfg = x->c->cfg, .store = x->c->store,
	    .by_hand = true, .said = stdout };

	if (!wipe_noted(&w, MOST, e))
		return false;
	if (w.left != 0)
		erase_left(x, mem_printf(x->m, "%zu of what Twilio has: see above; "
		    "sweeps go on with it, too", w.left));
	return true;
}

/* --- the receipt --- */

static void
print_here(const struct erase *x)
{
	here(x->sum.calls, "calls");
	here(x->sum.texts, "texts");
	here(x->sum.recordings, "recordings");
	here(x->sum.transcripts, "transcripts, with their analyses");
	if (x->c->dry_run)
		return;
	here(x->sum.webhooks, "webhooks, what they said");
	here(x->sum.paid, "paid requests, whose they were");
	here(x->traces, "other rows that had the number");
	here(x->waited, "webhooks that waited, taken in before, anybody's");
	here(x->files, "files that nobody could read");
	(void)fflush(stdout);
}

static bool
print_kept(struct erase *x, struct err *e)
{
	struct erasure_consent	*list;
	size_t			 count;

	if (!erasure_consent(x->c->store, x->m, x->number, &list, &count, e))
		return false;
	for (size_t i = 0; i < count; i++)
		(void)printf("KEPT     here: that it said %s to %s on %s, so "
		    "that this is kept to\n", list[i].out ? "STOP" : "START",
		    list[i].sender, list[i].day);
	(void)fputs(
	    "KEPT     here: amounts that were paid; that webhooks came; SIDs, "
	    "by which what comes late is known\n"
	    "KEPT     here: rows until PostgreSQL vacuums them, backups and "
	    "logs until they are replaced\n", stdout);
	(void)printf("KEPT     Twilio: its log of %zu calls and %zu texts: "
	    "numbers, times, prices; of calls for some 120 days, of texts "
	    "some 400\n", x->calls, x->texts);
	(void)fputs("KEPT     Twilio: of a deleted recording when it was and "
	    "how long, for 40 days\n"
	    "KEPT     others: what the servers for transcription and analysis "
	    "keep by their terms\n", stdout);
	return true;
}

static void
print_head(const struct erase *x, const char *word)
{
	(void)printf("%-8s a number ending in %s, %s\n", word, x->digits +
	    strlen(x->digits) - 2, clock_rfc3339(x->m, time(NULL)));
}

/* --- the command --- */

static bool
count(struct erase *x, struct err *e)
{
	return erasure_count(x->c->store, x->m, x->number, &x->sum,
	    &x->under_way, e);
}

/* Nobody is asked whom a program runs. */
static bool
is_meant(struct erase *x, struct err *e)
{
	char line[16] = "";

	if (x->c->yes || !isatty(STDIN_FILENO))
		return true;
	if (!count(x, e))
		return false;
	(void)fprintf(stderr, "%zu calls, %zu texts, %zu recordings and %zu "
	    "transcripts here, and what Twilio has of them, will be erased "
	    "for ever.\nType the number's last four digits to go on: ",
	    x->sum.calls, x->sum.texts, x->sum.recordings, x->sum.transcripts);
	x->sum = (struct erasure){ 0 };
	if (fgets(line, sizeof(line), stdin) != NULL)
		line[strcspn(line, "\n")] = '\0';
	return strcmp(line, x->digits + strlen(x->digits) - 4) == 0 ||
	    err_set(e, ERR_INPUT, "nothing was erased");
}

static bool
dry_run(struct erase *x, struct err *e)
{
	size_t waiting = 0;

	print_head(x, "WOULD");
	if (!count(x, e) || (x->spool && (!erase_count_waiting(x, &waiting, e) ||
	    !erase_purge(x, e))) || !look_at_twilio(x, e))
		return false;
	print_here(x);
	here(waiting, "webhooks that wait on this machine");
	here(x->files, "files that nobody could read");
	(void)printf("TWILIO   %8zu  calls, their recordings\n"
	    "TWILIO   %8zu  texts, what they say and carry\n", x->calls,
	    x->texts);
	return true;
}

static bool
erase(struct erase *x, struct err *e)
{
	print_head(x, "ERASE");
	if ((x->spool && !erase_take_in(x, e)) || !look_at_twilio(x, e) ||
	    !erasure_number(x->c->store, x->number, &x->sum, e) ||
	    !erasure_traces(x->c->store, x->m, x->number, &x->traces, e) ||
	    (x->spool && !erase_purge(x, e)))
		return false;
	print_here(x);
	x->sum = (struct erasure){ 0 };
	if (!wipe(x, e) || !count(x, e))
		return false;
	if (x->under_way != 0)
		erase_left(x, mem_printf(x->m, "%zu calls and texts that are being "
		    "sent: in a quarter of an hour", x->under_way));
	else if (x->sum.calls + x->sum.texts != 0)
		erase_left(x, "what has come in meanwhile");
	return print_kept(x, e);
}

int
erase_command(struct call *c)
{
	struct erase	x = { .c = c, .m = c->m, .number = c->args[0] };
	struct err	e;
	bool		ok;

	if (!phone_is_e164(x.number)) {
		(void)fprintf(stderr, "ringback-admin: write the number with "
		    "+ and country code: +15551230001\n");
		return EXIT_USAGE;
	}
	x.digits = x.number + 1;
	if (c->cfg->account_sid == NULL || c->cfg->auth_token == NULL ||
	    c->cfg->webhook_base == NULL) {
		(void)fprintf(stderr, "ringback-admin: TWILIO_ACCOUNT_SID, "
		    "TWILIO_AUTH_TOKEN and WEBHOOK_BASE_URL are needed\n");
		return CFG_EXIT;
	}
	ok = is_theirs(&x, &e) && erase_find_spool(&x, &e) && find_own(&x, &e) &&
	    (c->dry_run ? dry_run(&x, &e) :
	    is_meant(&x, &e) && erase(&x, &e));
	if (!ok)
		return admin_failed(&e);
	if (!c->dry_run || x.later)
		(void)printf("%s\n", x.later ? "LATER    run it again" :
		    "DONE");
	return x.later ? EXIT_LATER : 0;
}
