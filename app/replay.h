/* SPDX-License-Identifier: ISC */
/* replay: events that could not go straight to the database, or that an
 * administrator wants applied once more; all through the code that takes in a
 * webhook, which makes a second time harmless. */
#ifndef APP_REPLAY_H
#define APP_REPLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/journal.h"
#include "domain/store.h"

struct replay {
	const struct cfg	*cfg;
	struct store		*store;
	size_t			 stored, refused;
	/* its own */
	int			 lock;
	const char		*noted;
	long			 times;
};

/* Takes in what waits in the spool and what nginx kept. What is refused
 * becomes a dead letter in the journal. False: the database is away; what
 * waits goes on waiting. */
MUST_CHECK bool	 replay_waiting(struct replay *, struct err *);

/* An entry of the journal. A dead letter that is stored now is one no more.
 * False, with why: it was refused (again), or the database is away. */
MUST_CHECK bool	 replay_entry(struct replay *, struct mem *,
		     const struct journal_entry *, struct err *);

#endif
