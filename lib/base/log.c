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
static const char	*request;

#define LINE_BYTES	2048

/* What is not written yet, a few lines. A worker's statics, all of them, fill
 * a page, and less than PIPE_BUF is written in one piece. */
static char		 held[1344];
static size_t		 held_bytes;
static bool		 holding;

/* A full disk is nobody's log. */
#define AT_ONCE		100
#define EVERY_S		10

static struct kind {
	const char	*msg;
	time_t		 since;		/* when it was last given a line more */
	unsigned long	 left_out;
	enum log_level	 level;
	int		 left;		/* lines that it may still write */
}			 kinds[32];
static unsigned long	 untold;	/* for the next line */

void
log_init(const char *name, enum log_level min)
{
	program = name;
	minimum = min;
}

void
log_hold(void)
{
	holding = true;
}

void
log_flush(void)
{
	const size_t n = held_bytes;

	held_bytes = 0;
	if (n != 0 && write(STDERR_FILENO, held, n) < 0)
		return;		/* nobody is left to be told */
}

void
log_request(const char *id)
{
	request = id;
}

const char *
log_quote(const char *s)
{
	static char	 ring[2][560];
	static int	 next;
	char		*out = ring[next++ & 1], *p = out;
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

/* Its row, or the last one, which all share for whom there was none left. */
static struct kind *
kind_of(enum log_level level, const char *msg, time_t now)
{
	struct kind *k = kinds, *last = k + sizeof(kinds) / sizeof(*k) - 1;

	while (k < last && k->msg != NULL && (k->level != level ||
	    strcmp(k->msg, msg) != 0))
		k++;
	if (k->msg == NULL)
		*k = (struct kind){ .msg = msg, .level = level, .since = now,
		    .left = AT_ONCE };
	return k;
}

bool
log_may(enum log_level level, const char *msg)
{
	const time_t	 now = time(NULL);
	struct kind	*k = kind_of(level, msg, now);
	long		 more = (long)(now - k->since) / EVERY_S;

	if (more < 0 || k->left + more >= AT_ONCE) {
		/* Back to the full, or the clock was set back. */
		k->left = more < 0 ? k->left : AT_ONCE;
		k->since = now;
	} else {
		k->left += (int)more;
		k->since += more * EVERY_S;
	}
	if (k->left == 0) {
		k->left_out++;
		return false;
	}
	k->left--;
	untold = level < minimum ? 0 : k->left_out;
	k->left_out = 0;
	return true;
}

/* As much of all of them as the line has room for. */
static size_t
join(char *line, size_t n, const char *const parts[], size_t count)
{
	size_t bytes;

	for (size_t i = 0; i < count; i++) {
		bytes = strlen(parts[i]);
		if (bytes > LINE_BYTES - 2 - n)
			bytes = LINE_BYTES - 2 - n;
		memcpy(line + n, parts[i], bytes);
		n += bytes;
	}
	return n;
}

/* Most of what a line begins with is the same for a second. */
static time_t	 second;
static char	 when[32], who[64];

static void SELDOM
next_second(time_t now)
{
	struct tm tm;

	second = now;
	(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S",
	    gmtime_r(&now, &tm));
	(void)snprintf(who, sizeof(who), " %s[%ld]: ", program,
	    (long)getpid());
}

/* Up to the pairs: all that lines have in common. */
static size_t
begin(char *line, enum log_level level, const char *msg)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	struct timespec	 now;
	char		 ms[] = ".000Z ";
	const char	*const parts[] = { when, ms, names[level], who, msg,
		    request == NULL ? "" : " req=",
		    request == NULL ? "" : request };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != second)
		next_second(now.tv_sec);
	for (long i = 3, v = now.tv_nsec / 1000000; i > 0; i--, v /= 10)
		ms[i] = (char)('0' + v % 10);
	return join(line, 0, parts, sizeof(parts) / sizeof(parts[0]));
}

static void
end(char *line, size_t n, enum log_level level)
{
	if (untold != 0 && n < LINE_BYTES - 2) {
		n += (size_t)snprintf(line + n, LINE_BYTES - n,
		    " left_out=%lu", untold);
		untold = 0;
	}
	if (n > LINE_BYTES - 2)
		n = LINE_BYTES - 2;
	line[n++] = '\n';
	if (!holding || level > LEVEL_INFO || held_bytes + n > sizeof(held))
		log_flush();
	if (holding && level <= LEVEL_INFO && n <= sizeof(held)) {
		memcpy(held + held_bytes, line, n);
		held_bytes += n;
		return;
	}
	if (write(STDERR_FILENO, line, n) < 0)
		return;		/* nobody is left to be told */
}

void
log_at(enum log_level level, const char *msg, const char *fmt, ...)
{
	char	line[LINE_BYTES];
	va_list	ap;
	size_t	n;

	if (level < minimum)
		return;
	n = begin(line, level, msg);
	if (fmt[0] != '\0' && n < sizeof(line) - 2) {
		line[n++] = ' ';
		va_start(ap, fmt);
		n += (size_t)vsnprintf(line + n, sizeof(line) - n, fmt, ap);
		va_end(ap);
	}
	end(line, n, level);
}

void
log_pairs(enum log_level level, const char *msg, const struct log_pair *pairs,
    size_t count)
{
	char	line[LINE_BYTES];
	size_t	n;

	if (level < minimum)
		return;
	n = begin(line, level, msg);
	for (size_t i = 0; i < count; i++) {
		const char *const parts[] = { pairs[i].key, pairs[i].value };

		n = join(line, n, parts, 2);
	}
	end(line, n, level);
}
