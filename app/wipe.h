/* SPDX-License-Identifier: ISC */
/* wipe: has Twilio forget what is erased here: recordings, what texts said and
 * carried. What it may have still is noted in the database until it has been
 * asked, so this can be cut off and begun again at any time. */
#ifndef APP_WIPE_H
#define APP_WIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/cfg.h"
#include "base/err.h"
#include "domain/store.h"

struct wipe {
	const struct cfg	*cfg;
	struct store		*store;
	/* Somebody waits for it: all that was erased for somebody's sake, and
	 * asked again, up to three times, when Twilio wants to be. Otherwise
	 * what is due. */
	bool			 by_hand;
	FILE			*said;	/* a line for each thing, at once; or
					   NULL */
	/* how it went */
	size_t			 asked, left;
	bool			 reached;	/* it answered */
	char			 refused[256];	/* why it does not know our
						   key; "" */
};

/* Takes up to `most` notes. False: the database is away. */
MUST_CHECK bool	 wipe_noted(struct wipe *, size_t most, struct err *);

/* Seconds to wait when it said so (-1: it did not): 1 to 30. */
unsigned	 wipe_patience(long asked_s);

#endif
