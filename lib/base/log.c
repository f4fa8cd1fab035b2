/* SPDX-License-Identifier: ISC */
/* log: logfmt lines to standard error. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/banned.h"

static const char	*program = "ringback";
static enum log_level	 minimum = LEVEL_INFO;
static char		 context[128];

void
log_init(const char *name, enum log_level min)
{
	program = name;
	minimum = min;
}

void
log_context(const char *text)
{
	(void)snprintf(context, sizeof(context), "%s%s",
	    text == NULL ? "" : " ", text == NULL ? "" : text);
}

const char *
log_quote(const char *s)
{
	static char	 ring[4][600];
	static int	 next;
	char		*out = ring[next++ & 3], *p = out;
	char		*end = out + sizeof(ring[0]) - 8;

	*p++ = '"';
	for (s = s == NULL ? "" : s; *s != '\0' && p < end; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			*p++ = '\\';
			*p++ = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			p += snprintf(p, 5, "\\x%02x", c);
		} else {
			*p++ = (char)c;
		}
	}
	*p++ = '"';
	*p = '\0';
	return out;
}

void
log_at(enum log_level level, const char *msg, const char *fmt, ...)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	static char	 stamp[32];	/* of that second */
	static time_t	 second;
	static long	 pid;
	char		 line[2048];
	struct timespec	 now;
	struct tm	 tm;
	va_list		 ap;
	size_t		 n;

	if (level < minimum)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != second) {
		second = now.tv_sec;
		(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S",
		    gmtime_r(&second, &tm));
	}
	if (pid == 0)
		pid = (long)getpid();
	n = (size_t)snprintf(line, sizeof(line), "%s.%03ldZ %s %s[%ld]: %s%s",
	    stamp, now.tv_nsec / 1000000, names[level], program, pid, msg,
	    context);
	if (fmt[0] != '\0' && n < sizeof(line) - 2) {
		line[n++] = ' ';
		va_start(ap, fmt);
		n += (size_t)vsnprintf(line + n, sizeof(line) - n, fmt, ap);
		va_end(ap);
	}
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return;		/* nobody is left to be told */
}
