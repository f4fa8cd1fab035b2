/* SPDX-License-Identifier: ISC */
/* account: whose webhook is this, and is it really Twilio's? Tokens are
 * looked up by AccountSid, because Twilio signs a subaccount's webhooks with
 * the subaccount's own token; each account may have a second token while it
 * is rotated (FACTS 2.1 A and J, 3.1). */
#ifndef DOMAIN_ACCOUNT_H
#define DOMAIN_ACCOUNT_H

#include <stdbool.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "format/form.h"

struct account {
	const char	*sid;
	const char	*tokens[2];	/* the second may be NULL */
};

/* False: not one of ours. */
bool	 account_find(const struct cfg *, struct mem *, const char *sid,
	    struct account *);

/* The accounts that are configured, from 0 on, the main one first; false
 * behind the last. */
bool	 account_at(const struct cfg *, struct mem *, size_t index,
	    struct account *);

/* Checks a webhook against the configured base URL and the raw request URI.
 * True: handle it; *verified says whether the signature was good, which it
 * may not be in observe mode or in development. ERR_FORBIDDEN otherwise. */
MUST_CHECK bool	 account_check(const struct cfg *, struct mem *,
		     const char *uri, const struct form *,
		     const char *signature, bool *verified, struct err *);

#endif
