/* SPDX-License-Identifier: ISC */
/* least: the least that keeps ringback's promises for one webhook, a call that
 * comes in, written by hand: the request is read, its form decoded, its
 * signature checked, the event hashed and stored by ringback's statement with
 * all of its values, and told of in a line. It knows no other route, no other
 * order of parameters, no table, no handler, no sandbox; what is not as Twilio
 * sends it is refused. What ringback takes above this is what it costs to be
 * more than one function. */
#ifndef BENCH_LEAST_H
#define BENCH_LEAST_H

#include <fcgiapp.h>
#include <libpq-fe.h>
#include <stdbool.h>

/* The statement has been prepared as "least"; TOKEN and BASE are in the
 * environment, as Express has them. False: refused, or not stored. */
bool	 least_store(FCGX_Request *, PGconn *);

/* Behind the answer. Lines are written when there are many. */
void	 least_log(void);

#endif
