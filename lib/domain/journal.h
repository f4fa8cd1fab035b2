/* SPDX-License-Identifier: ISC */
/* journal: what Twilio has told us, event by event, byte by byte; and the
 * dead letters, which waited on disk and could not be stored. */
#ifndef DOMAIN_JOURNAL_H
#define DOMAIN_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/store.h"

struct journal_entry {
	const char	*id, *received_at;	/* RFC 3339, UTC */
	const char	*route, *uri, *sid, *status;	/* "" when none */
	const char	*source;	/* http, spool, fallback, reconcile */
	const char	*verdict;	/* stored; unverified: stored, though its
					   signature was not good; refused */
	const char	*refused;	/* why; "" */
	const char	*replayed_at;	/* "" never */
	const char	*body;		/* NULL: not asked for, or forgotten */
	size_t		 body_bytes;
};

/* Members may be NULL: no restriction. */
struct journal_query {
	const char	*number, *verdict, *since, *sid;
	long		 most;
};

/* Newest first, without their bodies. */
MUST_CHECK bool	 journal_list(struct store *, struct mem *,
		     const struct journal_query *, struct journal_entry **,
		     size_t *count, struct err *);
/* ERR_NOT_FOUND. */
MUST_CHECK bool	 journal_get(struct store *, struct mem *, const char *id,
		     struct journal_entry *, struct err *);
/* A batch of those that have a body, oldest first, that came behind `after`
 * (NULL: from the first one that came since then). */
MUST_CHECK bool	 journal_next(struct store *, struct mem *, const char *since,
		     const struct journal_entry *after,
		     struct journal_entry **, size_t *count, struct err *);

/* Keeps what was refused; a second time is the same time. */
MUST_CHECK bool	 journal_bury(struct store *, struct mem *,
		     const char *source, const void *, size_t n,
		     const char *why, const char *came_at, struct err *);
/* It has been stored after all. */
MUST_CHECK bool	 journal_unbury(struct store *, struct mem *, const char *id,
		     struct err *);

/* How long a webhook's bytes are kept, and what is remembered of sends. */
long		 journal_days(const struct cfg *);
/* Bodies and dead letters that are older than that, at most so many of them;
 * *count is how many it were. */
MUST_CHECK bool	 journal_forget(struct store *, struct mem *, long days,
		     size_t most, size_t *count, struct err *);
/* And what is remembered of sends. */
MUST_CHECK bool	 journal_forget_sends(struct store *, struct mem *, long days,
		     struct err *);

#endif
