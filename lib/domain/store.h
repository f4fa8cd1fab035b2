/* SPDX-License-Identifier: ISC */
/* store: the database as a program has it, and what Twilio tells us. What
 * else is kept is behind the headers beside this one (work, outbox, archive,
 * journal, …): one function = one statement = one transaction, but for those
 * of work that go into a batch, and callers never see SQL; the statements are
 * in sql.def. */
#ifndef DOMAIN_STORE_H
#define DOMAIN_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/event.h"

struct batch;
struct store;

/* Does not connect yet. Prepares what this program uses. */
struct store	*store_new(struct mem *, const struct cfg *, enum cfg_program,
		     const char *name);
/* Connects and checks the schema; or connects again, if need be. */
MUST_CHECK bool	 store_check(struct store *, struct err *);
/* And what most passes of the sweep never need: before it takes on work. */
MUST_CHECK bool	 store_check_all(struct store *, struct err *);
/* How often it has connected: a new session holds nothing of the old one's. */
unsigned	 store_sessions(const struct store *);
/* The sweep's session holds this lock; see db.h. */
long		 store_lock(const struct store *);

/* Statements to be committed together go into one of these; see batch.h. */
struct batch	*store_batch(struct mem *, struct store *);

/* Whatever is asked of it from now on is over by then, on clock_ms(). */
void		 store_until(struct store *, long deadline_ms);

/* Journals a webhook and makes the change it tells of, in one commit. *fresh
 * is false for one that was here before: nothing was changed then, unless its
 * source is "replay". */
MUST_CHECK bool	 store_event(struct store *, struct mem *,
		     const struct event *, bool *fresh, struct err *);

#endif
