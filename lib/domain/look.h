/* SPDX-License-Identifier: ISC */
/* look: how far Twilio's lists have been read, and what is on them that we do
 * not have. A look goes from the newest back to a time; when it is over, all
 * that Twilio had as it began is here. */
#ifndef DOMAIN_LOOK_H
#define DOMAIN_LOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/store.h"

enum look_list { LOOK_CALLS, LOOK_MESSAGES, LOOK_RECORDINGS, LOOKS };

const char	*look_name(enum look_list);	/* as in Twilio's URLs */

struct look {
	long		 since_s, began_s;	/* Unix time */
	const char	*page;		/* where the last pass got to, or NULL */
	bool		 first;		/* ever: what it finds is history */
	bool		 deep;		/* goes back further than most */
};

/* *mine is false when it is not time, or another sweep is at it. */
MUST_CHECK bool	 look_begin(struct store *, struct mem *, const struct cfg *,
		     const char *account_sid, enum look_list, struct look *,
		     bool *mine, struct err *);
/* next: where to go on, should this be the end of the pass. */
MUST_CHECK bool	 look_page_done(struct store *, struct mem *,
		     const struct cfg *, const char *account_sid,
		     enum look_list, const char *next, struct err *);
MUST_CHECK bool	 look_end(struct store *, struct mem *,
		     const char *account_sid, enum look_list, struct err *);

/* Of a page ([{n, sid, status, peer, ours, created}]) those that are ours and
 * we do not have, or that we have an older status of: n, in the order in which
 * they happened. peer: who was called or texted; of a recording, its call. */
struct look_news {
	size_t	n;
	bool	known;
};
MUST_CHECK bool	 look_news(struct store *, struct mem *, enum look_list,
		     const char *page_json, struct look_news **,
		     size_t *count, struct err *);

/* What we have of a time that is not among Twilio's ([sid, …]). */
MUST_CHECK bool	 look_orphans(struct store *, struct mem *, enum look_list,
		     const char *account_sid, long since_s, long until_s,
		     const char *sids_json, const char ***sids, size_t *count,
		     struct err *);

/* Numbers that ringback-admin has been told are ours. */
MUST_CHECK bool	 look_numbers(struct store *, struct mem *, const char ***,
		     size_t *count, struct err *);

#endif
