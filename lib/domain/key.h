/* SPDX-License-Identifier: ISC */
/* key: keys to the JSON API. A key reads tw_<id>_<secret>: the id finds its
 * row, the secret is 43 random letters and digits (256 bits) of which only
 * the SHA-256 is stored. A key belongs to a user and opens what is that
 * user's; an administrator's key belongs to nobody and opens everything. */
#ifndef DOMAIN_KEY_H
#define DOMAIN_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "domain/store.h"

/* What a key may do; admin implies all. */
enum key_scope {
	KEY_READ = 1,		/* history */
	KEY_SEND = 2,		/* calls and texts */
	KEY_WATCH = 4,		/* /readyz, /metrics */
	KEY_ADMIN = 8,		/* everybody's, and to name a userId */
};

struct key {
	const char	*id;
	const char	*user_id;	/* NULL: an administrator's */
	unsigned	 scopes;	/* of enum key_scope */
};

/* Checks an Authorization header ("Bearer tw_…"). ERR_AUTH for a key that is
 * missing, malformed, unknown, revoked or expired: one answer for all. */
MUST_CHECK bool	 key_check(struct store *, struct mem *, const char *header,
		     struct key *, struct err *);

/* A new key. *text is the whole key: show it once, keep it nowhere.
 * days 0: does not expire. */
MUST_CHECK bool	 key_add(struct store *, struct mem *, const char *name,
		     const char *user_id, const char *scopes, long days,
		     const char **text, struct err *);
/* Adds a successor with the same user and scopes; the old key goes on for
 * overlap_hours. ERR_NOT_FOUND. */
MUST_CHECK bool	 key_rotate(struct store *, struct mem *, const char *id,
		     long overlap_hours, const char **text, struct err *);
MUST_CHECK bool	 key_revoke(struct store *, struct mem *, const char *id,
		     struct err *);

struct key_row {
	const char	*id, *name, *user_id, *scopes, *created_at,
			*last_used_at, *state;
};
MUST_CHECK bool	 key_list(struct store *, struct mem *, struct key_row **,
		     size_t *count, struct err *);

#endif
