/* SPDX-License-Identifier: ISC */
/* log: one line per event on standard error (the journal, a file, cron's
 * mail), written whole with one write(2), so that lines of several processes
 * never mix. A line is logfmt: time, level, message, then key=value pairs.
 * Values are quoted and control bytes escaped; callers pass no secret, no
 * message body and no telephone number. A line that cannot be written is
 * dropped: logging never stops a call. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/mem.h"

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };

void	log_init(const char *program, enum log_level min);

/* Lines wait from now on, a KB of them, for log_flush() or the first that is a
 * warning or worse: writes into one file wait for each other, and sixteen busy
 * workers spent a tenth of their time so. A process that is killed takes with
 * it what it holds. */
void	log_hold(void);
void	log_flush(void);	/* safe in a signal's handler */

/* The request that every line is about until the next: "req=…" behind the
 * message. NULL: none. It stays the caller's. */
void	log_request(const char *id);

/* fmt makes the key=value part; use log_quote() for values that need quoting. */
void	log_at(enum log_level, const char *msg, const char *fmt, ...)
	    PRINTF_LIKE(3, 4) SELDOM;

/* The same of pairs that are text as it is. Each request has such a line, and
 * printf() would cost it more than all the rest. */
struct log_pair {
	const char	*key, *value;
};
#define LOG_PAIR(key, value)	{ " " key "=", value }
void	log_pairs(enum log_level, const char *msg, const struct log_pair *,
	    size_t count);

/* A quoted, escaped value for a %s in fmt; valid until the next but one. */
const char *log_quote(const char *s);

/* For what others may bring about as often as they like. Of one message, 100
 * lines at once and then one every ten seconds: false, this one should be left
 * out. The next that is not says how many were ("left_out=7"). */
MUST_CHECK bool log_may(enum log_level, const char *msg) SELDOM;

#define log_some(level, msg, ...)					      \
	do {								      \
		if (log_may(level, msg))				      \
			log_at(level, msg, __VA_ARGS__);		      \
	} while (0)
#define log_debug(...)		log_at(LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)		log_at(LEVEL_INFO, __VA_ARGS__)
#define log_warn(msg, ...)	log_some(LEVEL_WARN, msg, __VA_ARGS__)
#define log_error(msg, ...)	log_some(LEVEL_ERROR, msg, __VA_ARGS__)

#endif
