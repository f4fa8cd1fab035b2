/* SPDX-License-Identifier: ISC */
/* tap: what a C unit test needs to speak TAP on standard output.
 *	tap_ok(x == 1, "one and no more");
 *	tap_is(name, "Ann", "the name");
 *	return tap_done();		-- the plan, and the exit code */
#ifndef T_UNIT_TAP_H
#define T_UNIT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "base/mem.h"

/* A literal, NUL and all, as two arguments; the length of an array. */
#define BYTES(s)	s, sizeof(s) - 1
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static int tap_count, tap_failed;

static inline bool tap_line(bool, const char *fmt, va_list) PRINTF_LIKE(2, 0);
static inline bool tap_ok(bool, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline bool tap_is(const char *got, const char *want, const char *fmt,
    ...) PRINTF_LIKE(3, 4);

static inline bool
tap_line(bool ok, const char *fmt, va_list ap)
{
	char name[256];

	(void)vsnprintf(name, sizeof(name), fmt, ap);
	/* A name may quote what is tested; a line must stay one line. */
	for (char *p = name; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == '#')
			*p = '?';
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tap_count, name);
	if (!ok)
		tap_failed++;
	return ok;
}

static inline bool
tap_ok(bool ok, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)tap_line(ok, fmt, ap);
	va_end(ap);
	return ok;
}

/* Both may be NULL. */
static inline bool
tap_is(const char *got, const char *want, const char *fmt, ...)
{
	bool	ok = got == want ||
	    (got != NULL && want != NULL && strcmp(got, want) == 0);
	va_list	ap;

	va_start(ap, fmt);
	(void)tap_line(ok, fmt, ap);
	va_end(ap);
	if (!ok)
		printf("#   got: %s\n#  want: %s\n", got == NULL ? "NULL" : got,
		    want == NULL ? "NULL" : want);
	return ok;
}

/* fn must end its process by abort(). */
static inline bool
tap_aborts(void (*fn)(void), const char *name)
{
	struct rlimit	no_core = { 0, 0 };
	int		status = 0;
	pid_t		child;

	(void)fflush(stdout);
	child = fork();
	if (child == 0) {
		(void)setrlimit(RLIMIT_CORE, &no_core);
		fn();
		_exit(0);
	}
	return tap_ok(child > 0 && waitpid(child, &status, 0) == child &&
	    WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s", name);
}

static inline int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0 || fflush(stdout) != 0;
}

#endif
