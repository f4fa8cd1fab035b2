/* SPDX-License-Identifier: ISC */
/* pq: libpq's asynchronous calls with a deadline (clock_ms()), which holds
 * whatever the server does: a stopped postmaster accepts and never answers
 * (FAULTS F7). For db, which is what everybody else calls. */
#ifndef EDGE_PQ_H
#define EDGE_PQ_H

#include <stdbool.h>

#include <libpq-fe.h>

#include "base/mem.h"

/* A connection, in CONNECTION_OK or else of no use; PQfinish() it. NULL: the
 * URL cannot be read. first:
 * which of several hosts is asked first; libpq goes on to the next when one
 * refuses, but waits for one that hangs. */
PGconn		*pq_connect(const char *url, const char *program,
		     unsigned first, long deadline_ms);

/* A connection that the server closed since the last use is readable now:
 * seen here, before anything is sent, it costs nobody an event. */
bool		 pq_is_alive(PGconn *);

/* Whether it leads to unix sockets only. */
bool		 pq_is_local(const char *url);

/* Sends what is to be sent and waits for the next result; NULL: there is no
 * more. False on a lost connection or a passed deadline. */
MUST_CHECK bool	 pq_next(PGconn *, long deadline_ms, PGresult **);

/* Reads all results; the last one is returned, or NULL on a lost connection
 * or a passed deadline: then nothing is known to be done. */
PGresult	*pq_result(PGconn *, long deadline_ms);

#endif
