/* SPDX-License-Identifier: ISC */
/* pages: Twilio's lists, a page at a time, and which numbers on them are
 * ours: an account may have others. */
#ifndef APP_PAGES_H
#define APP_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/account.h"
#include "domain/store.h"
#include "format/json.h"

#define PAGES_LARGEST	1000	/* that Twilio gives */

/* A page of anything, or of one party's ("From" or "To", and the number;
 * NULL: everybody's). page: *next of the page before, NULL for the first;
 * *next is NULL at the end. *reached: it answered. ERR_NOT_FOUND: there is no
 * such page or thing; ERR_AUTH: our key is not good; ERR_FORBIDDEN: it may
 * not see this list. */
MUST_CHECK bool	 pages_get(const struct cfg *, struct mem *,
		     const struct account *, const char *resource,
		     const char *party, const char *number, const char *page,
		     size_t most, cJSON **root, const char **next,
		     bool *reached, struct err *);

/* Adds the numbers of ours to an object, as its members: configured, assigned
 * to a user, or at Twilio with their webhooks pointed here. */
MUST_CHECK bool	 pages_own_numbers(const struct cfg *, struct store *,
		     struct mem *, const struct account *, cJSON *own,
		     bool *reached, struct err *);

#endif
