/* SPDX-License-Identifier: ISC */
/* batch: statements that are committed together, while their callers go on
 * with something else. What is added waits until the server has answered the
 * batch before; then several that wait are sent at once and are one
 * transaction: a commit, and a way there and back.
 *
 * Each is told how it went only when the commit is known. When the server
 * refuses one, all of them are undone, and each is run again by itself: one
 * that does not fit takes nobody along, and a deadlock is tried again. When
 * nothing is known (ERR_DOWN) each is told so and may ask to be sent again. */
#ifndef EDGE_BATCH_H
#define EDGE_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "edge/db.h"

struct batch;

struct batch	*batch_new(struct mem *, struct db *);

/* What the values point to, and the mem, where the rows will be, must live
 * until done(arg, …) is called, which is from batch_take(). rows NULL: it
 * failed, err says why; done() then returns true for it to be sent again, a
 * second later. */
void		 batch_add(struct batch *, struct mem *, size_t which,
		     const struct db_value *, bool (*done)(void *arg,
		     struct db_rows *, const struct err *), void *arg);

/* Sends the first of what waits, unless a batch is under way. */
void		 batch_send(struct batch *);
/* Takes what the server has answered, without waiting for it. */
void		 batch_take(struct batch *);
/* Until there is nothing more to send or to take. */
void		 batch_finish(struct batch *);

bool		 batch_is_out(const struct batch *);	/* one is under way */
bool		 batch_is_idle(const struct batch *);	/* and none waits */

/* What to poll() for before batch_take(); -1: nothing. */
int		 batch_socket(const struct batch *, short *events);

#endif
