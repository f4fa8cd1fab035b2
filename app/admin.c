/* SPDX-License-Identifier: ISC */
/* ringback-admin: local administration, by whoever can read the settings. */
#include "admin.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "base/cfg.h"
#include "base/log.h"
#include "base/text.h"
#include "domain/key.h"
#include "domain/roster.h"
#include "edge/sandbox.h"
#include "format/phone.h"

#include "base/banned.h"

int
admin_failed(const struct err *e)
{
	(void)fprintf(stderr, "ringback-admin: %s\n", e->text);
	return e->kind == ERR_DOWN ? EXIT_LATER : EXIT_FAILED;
}

/* Prints the settings in force, or what is wrong with them for a program. */
static int
config_show(struct call *c)
{
	static const struct {
		const char		*name;
		enum cfg_program	 program;
	} programs[] = {
		{ "hooks", CFG_HOOKS }, { "api", CFG_API },
		{ "sweep", CFG_SWEEP },
	};
	enum cfg_program	 which = CFG_ADMIN;
	struct buf		*problems = buf_new(c->m, 65536);
	struct buf		*out = buf_new(c->m, 65536);
	struct cfg		*cfg;

	if (c->split)
		return config_split(c);
	if (c->sample) {
		cfg_sample(out);
		(void)fputs(out->s, stdout);
		return 0;
	}
	for (size_t i = 0; c->check != NULL && i < 3; i++)
		if (strcmp(programs[i].name, c->check) == 0)
			which = programs[i].program;
	if (c->check != NULL && which == CFG_ADMIN)
		return EXIT_USAGE;
	if (!cfg_load(&cfg, c->m, c->file, which, problems)) {
		(void)fprintf(stderr, "ringback-admin: the configuration has "
		    "errors:\n%s", problems->s);
		return CFG_EXIT;
	}
	if (c->check == NULL) {
		cfg_print(cfg, out);
		(void)fputs(out->s, stdout);
	}
	return 0;
}

/* The key alone on standard output, so that a script can keep it. */
static int
show_key(const char *text)
{
	(void)fprintf(stderr, "This is the only time the key is shown:\n");
	(void)printf("%s\n", text);
	return 0;
}

static int
key_add_command(struct call *c)
{
	const char	*text;
	struct err	 e;

	return key_add(c->store, c->m, c->name, c->user, c->scopes != NULL ?
	    c->scopes : c->user != NULL ? "read,send" : "admin", c->days,
	    &text, &e) ? show_key(text) : admin_failed(&e);
}

static int
key_list_command(struct call *c)
{
	struct key_row	*rows;
	struct err	 e;
	size_t		 count;

	if (!key_list(c->store, c->m, &rows, &count, &e))
		return admin_failed(&e);
	(void)printf("%-9s %-16s %-16s %-16s %-11s %-17s %s\n", "ID", "NAME",
	    "USER", "SCOPES", "CREATED", "LAST USED", "STATE");
	for (size_t i = 0; i < count; i++)
		(void)printf("%-9s %-16s %-16s %-16s %-11s %-17s %s\n",
		    rows[i].id, rows[i].name, *rows[i].user_id == '\0' ?
		    "(administrator)" : rows[i].user_id, rows[i].scopes,
		    rows[i].created_at, rows[i].last_used_at, rows[i].state);
	return 0;
}

static int
key_revoke_command(struct call *c)
{
	struct err e;

	return key_revoke(c->store, c->m, c->args[0], &e) ? 0 : admin_failed(&e);
}

static int
key_rotate_command(struct call *c)
{
	const char	*text;
	struct err	 e;

	return key_rotate(c->store, c->m, c->args[0], c->overlap_hours, &text,
	    &e) ? show_key(text) : admin_failed(&e);
}

static int
number_assign_command(struct call *c)
{
	const char	*number = phone_to_e164(c->m, c->args[0]);
	struct err	 e;

	if (number == NULL || (c->sid != NULL && !phone_is_sid(c->sid, "PN"))) {
		(void)fprintf(stderr, "ringback-admin: a number is like "
		    "+15551230001, its SID like PN and 32 hex digits\n");
		return EXIT_USAGE;
	}
	return roster_assign(c->store, c->m, number, c->args[1], c->sid, &e) ?
	    0 : admin_failed(&e);
}

static int
number_list_command(struct call *c)
{
	struct roster_number	*rows;
	struct err		 e;
	size_t			 count;

	if (!roster_list(c->store, c->m, &rows, &count, &e))
		return admin_failed(&e);
	(void)printf("%-17s %-24s %s\n", "NUMBER", "USER", "SID");
	for (size_t i = 0; i < count; i++)
		(void)printf("%-17s %-24s %s\n", rows[i].number,
		    rows[i].user_id, rows[i].sid);
	return 0;
}

static const struct command {
	const char	*verb, *noun;	/* noun: the second word, or NULL */
	int		 args;
	bool		 database;
	int		(*run)(struct call *);
	const char	*usage;
} commands[] = {
	{ "config", NULL, 0, false, config_show,
	    "config [--check hooks|api|sweep] [--sample] [--split]" },
	{ "key", "add", 0, true, key_add_command,
	    "key add [--name text] [--user id] [--scopes read,send,watch,"
	    "admin] [--days n]" },
	{ "key", "list", 0, true, key_list_command, "key list" },
	{ "key", "rotate", 1, true, key_rotate_command,
	    "key rotate [--overlap hours] id" },
	{ "key", "revoke", 1, true, key_revoke_command, "key revoke id" },
	{ "number", "assign", 2, true, number_assign_command,
	    "number assign [--sid PN...] number user" },
	{ "number", "list", 0, true, number_list_command, "number list" },
	{ "retry", NULL, 1, true, retry_command,
	    "retry RE...|all" },
	{ "journal", "list", 0, true, journal_list_command,
	    "journal list [--number n] [--verdict stored|unverified|refused] "
	    "[--since time] [--sid SID] [--limit n]" },
	{ "journal", "show", 1, true, journal_show_command,
	    "journal show id" },
	{ "replay", NULL, 1, true, replay_command, "replay id" },
	{ "replay", NULL, 0, true, replay_since_command,
	    "replay --since time" },
	{ "reconcile", NULL, 0, true, reconcile_command,
	    "reconcile --since time" },
	{ "erase", NULL, 1, true, erase_command,
	    "erase [--dry-run] [--yes] +number" },
};
#define COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static int
usage(FILE *to, int status)
{
	for (size_t i = 0; i < COMMANDS; i++)
		(void)fprintf(to, "%s ringback-admin [-f env-file] %s\n",
		    i == 0 ? "usage:" : "      ", commands[i].usage);
	(void)fprintf(to, "       ringback-admin --help | --version\n");
	return status;
}

static int
with_database(struct call *c, const struct command *cmd)
{
	struct buf	*problems = buf_new(c->m, 65536);
	struct cfg	*cfg;
	struct err	 e;

	if (!cfg_load(&cfg, c->m, c->file, CFG_ADMIN, problems)) {
		(void)fprintf(stderr, "ringback-admin: the configuration has "
		    "errors:\n%s", problems->s);
		return CFG_EXIT;
	}
	log_init("ringback-admin", LEVEL_WARN);
	if (!sandbox_user(CFG_ADMIN, &e))
		return admin_failed(&e);
	(void)umask(0007);	/* see spool.h */
	c->cfg = cfg;
	c->store = store_new(c->m, cfg, CFG_ADMIN, "ringback-admin");
	return store_check(c->store, &e) ? cmd->run(c) : admin_failed(&e);
}

static int
run(struct call *c)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command	*cmd = &commands[i];
		int			 words = cmd->noun == NULL ? 1 : 2;

		if (c->count != words + cmd->args ||
		    strcmp(c->args[0], cmd->verb) != 0 ||
		    (words == 2 && strcmp(c->args[1], cmd->noun) != 0))
			continue;
		c->args += words;
		return cmd->database ? with_database(c, cmd) : cmd->run(c);
	}
	return EXIT_USAGE;
}

/* 2026-11-25, or with a time of day in UTC behind it. */
static bool
parse_time(const char *text, long *seconds)
{
	struct tm	 tm = { 0 };
	const char	*end = strptime(text, "%Y-%m-%d", &tm);

	if (end != NULL && (*end == 'T' || *end == ' '))
		end = strptime(end + 1, "%H:%M:%S", &tm);
	if (end == NULL || (*end != '\0' && strcmp(end, "Z") != 0))
		return false;
	*seconds = (long)timegm(&tm);
	return *seconds > 0;
}

static bool
parse_options(int argc, char **argv, struct call *c, int *status)
{
	static const struct option longs[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "check", required_argument, NULL, 'c' },
		{ "sample", no_argument, NULL, 's' },
		{ "split", no_argument, NULL, 'P' },
		{ "name", required_argument, NULL, 'n' },
		{ "user", required_argument, NULL, 'u' },
		{ "scopes", required_argument, NULL, 'S' },
		{ "days", required_argument, NULL, 'd' },
		{ "overlap", required_argument, NULL, 'o' },
		{ "sid", required_argument, NULL, 'p' },
		{ "number", required_argument, NULL, 'N' },
		{ "verdict", required_argument, NULL, 'v' },
		{ "since", required_argument, NULL, 't' },
		{ "limit", required_argument, NULL, 'l' },
		{ "dry-run", no_argument, NULL, 'D' },
		{ "yes", no_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	const struct {
		int		  option;
		const char	**into;
	} texts[] = { { 'f', &c->file }, { 'c', &c->check },
	    { 'n', &c->name }, { 'u', &c->user }, { 'S', &c->scopes },
	    { 'p', &c->sid }, { 'N', &c->number }, { 'v', &c->verdict } };
	int	option;
	bool	ok = true;

	*status = EXIT_USAGE;
	while (ok && (option = getopt_long(argc, argv, "f:hV", longs,
	    NULL)) != -1) {
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			if (texts[i].option == option)
				*texts[i].into = optarg;
		if (option == 's')
			c->sample = true;
		else if (option == 'D')
			c->dry_run = true;
		else if (option == 'y')
			c->yes = true;
		else if (option == 'P')
			c->split = true;
		else if (option == 'd')
			ok = text_to_long(optarg, 1, 36500, &c->days);
		else if (option == 'o')
			ok = text_to_long(optarg, 0, 8760,
			    &c->overlap_hours);
		else if (option == 'l')
			ok = text_to_long(optarg, 1, 1000000, &c->limit);
		else if (option == 't')
			ok = parse_time(optarg, &c->since_s);
		else if (option == 'h' || option == 'V') {
			*status = 0;
			if (option == 'h')
				(void)usage(stdout, 0);
			else
				(void)printf("ringback-admin %s\n", VERSION);
			return false;
		} else if (option == '?')
			ok = false;
	}
	c->args = argv + optind;
	c->count = argc - optind;
	ok = ok && c->count > 0;
	if (!ok)
		(void)usage(stderr, 0);
	return ok;
}

int
main(int argc, char **argv)
{
	struct call	c = { .m = mem_new(), .overlap_hours = 24,
	    .limit = 50 };
	int		status;

	if (parse_options(argc, argv, &c, &status)) {
		status = run(&c);
		if (status == EXIT_USAGE)
			(void)usage(stderr, 0);
	}
	mem_free(c.m);
	return status;
}
