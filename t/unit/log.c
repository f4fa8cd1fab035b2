/* SPDX-License-Identifier: ISC */
/* log: what is said again and again is said less often, and how often it was
 * not said is. The file under test is included, for its clock to be the
 * test's. */
#include <stdlib.h>
#include <time.h>

static time_t	today = 1788256740;	/* 2026-09-01 09:59:00 UTC */

static time_t
test_time(time_t *unused)
{
	(void)unused;
	return today;
}
#define time test_time
#include "../../lib/base/log.c"
#undef time

#include "tap.h"

static FILE	*out;

/* Lines that were written since the last time, and the last of them. */
static long
lines(char *last, size_t n)
{
	long	count = 0;
	char	line[4096];

	(void)fseek(out, 0, SEEK_CUR);
	while (fgets(line, sizeof(line), out) != NULL) {
		count++;
		(void)snprintf(last, n, "%s", line);
	}
	return count;
}

static long
warnings(const char *what, long n, char *last, size_t size)
{
	for (long i = 0; i < n; i++)
		log_warn(what, "n=%ld", i);
	return lines(last, size);
}

int
main(void)
{
	char	last[4096] = "", names[100][40], wide[3000] = "";
	const struct log_pair two[] = { LOG_PAIR("method", "GET"),
		    LOG_PAIR("path", "\"/a\"") };
	const struct log_pair long_one[] = { LOG_PAIR("path", wide),
		    LOG_PAIR("a", "b") };
	int	keep = dup(STDERR_FILENO);
	long	n, some;

	if ((out = tmpfile()) == NULL || keep < 0 ||
	    dup2(fileno(out), STDERR_FILENO) < 0)
		abort();
	/* Written by descriptor, read by stream: each at its own place. */
	if ((out = fopen("/proc/self/fd/2", "r")) == NULL)
		abort();
	log_init("test", LEVEL_INFO);
	n = warnings("spool", 1000, last, sizeof(last));
	tap_ok(n == 100, "of a thousand alike a hundred: %ld", n);
	tap_ok(warnings("database", 50, last, sizeof(last)) == 50,
	    "others have their own");
	today += 9;
	tap_ok(warnings("spool", 10, last, sizeof(last)) == 0,
	    "in the next ten seconds none");
	today += 1;
	tap_ok(warnings("spool", 10, last, sizeof(last)) == 1, "then one");
	tap_ok(strstr(last, " left_out=910\n") != NULL,
	    "which says how many were left out: %s", last);
	today += 10;
	tap_ok(warnings("spool", 1, last, sizeof(last)) == 1 &&
	    strstr(last, " left_out=9\n") != NULL, "so does the next");
	today += 3600;
	tap_ok(warnings("spool", 1000, last, sizeof(last)) == 100,
	    "after an hour a hundred again");
	today -= 7200;
	tap_ok(warnings("spool", 10, last, sizeof(last)) == 0,
	    "the clock is set back: still none");
	today += 10;
	tap_ok(warnings("spool", 10, last, sizeof(last)) == 1,
	    "and one ten seconds on");
	for (int i = 0; i < 1000; i++)
		log_info("request", "status=%d", 200);
	tap_ok(lines(last, sizeof(last)) == 1000,
	    "what is told of honest requests is told of each");
	for (n = some = 0; n < 1000; n++)
		some += log_may(LEVEL_INFO, "request");
	tap_ok(some == 100, "but not of those that ask first");
	for (n = some = 0; n < 100; n++) {
		(void)snprintf(names[n], sizeof(names[n]), "kind %ld", n);
		some += warnings(names[n], 100, last, sizeof(last));
	}
	tap_ok(some < 5000, "kinds without number have some together: %ld",
	    some);
	log_hold();
	log_info("held", "n=%d", 1);
	tap_ok(lines(last, sizeof(last)) == 0, "what is held is not written");
	log_flush();
	tap_ok(lines(last, sizeof(last)) == 1 && strstr(last, "n=1") != NULL,
	    "until it is asked for");
	log_flush();
	tap_ok(lines(last, sizeof(last)) == 0, "once");
	log_info("held", "n=%d", 2);
	log_at(LEVEL_WARN, "urgent", "n=%d", 3);
	tap_ok(lines(last, sizeof(last)) == 2 && strstr(last, "n=3") != NULL,
	    "a warning does not wait, nor what came before it");
	log_request("0f");
	log_pairs(LEVEL_INFO, "request", two, 2);
	log_pairs(LEVEL_DEBUG, "request", two, 2);
	log_flush();
	log_request(NULL);
	tap_ok(lines(last, sizeof(last)) == 1 && strstr(last, "]: "
	    "request req=0f method=GET path=\"/a\"\n") != NULL,
	    "pairs as they are, behind whose they are: %s", last);
	memset(wide, 'x', sizeof(wide) - 1);
	log_pairs(LEVEL_INFO, "request", long_one, 2);
	log_flush();
	tap_ok(lines(last, sizeof(last)) == 1 && strlen(last) == LINE_BYTES -
	    1 && last[LINE_BYTES - 3] == 'x', "as much of them as a line takes");
	for (n = 0; n < 100; n++)
		log_info("held", "n=%ld %s", n, n % 10 != 5 ? "" : wide);
	some = lines(last, sizeof(last));
	tap_ok(some > 0 && some < 100, "of many some wait: %ld", 100 - some);
	log_flush();
	tap_ok(some + lines(last, sizeof(last)) == 100 &&
	    strstr(last, "n=99 \n") != NULL,
	    "and all of them are written, however long");
	(void)dup2(keep, STDERR_FILENO);
	return tap_done();
}
