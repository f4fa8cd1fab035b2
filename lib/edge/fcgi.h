/* SPDX-License-Identifier: ISC */
/* fcgi: what one worker hears from nginx: new connections on a socket that it
 * shares with other workers, and those that nginx keeps open for the next
 * request (FCGI_KEEP_CONN). One request at a time.
 *
 * A worker that read from one kept connection only would leave requests on
 * its others, and on the socket, waiting for as long as nginx is silent there
 * (PERFORMANCE.md: up to two seconds). This one waits for all of them. */
#ifndef EDGE_FCGI_H
#define EDGE_FCGI_H

#include <fcgiapp.h>

#include "base/err.h"
#include "base/mem.h"

struct fcgi;

/* listen_fd becomes non-blocking, for all that share it. SIGTERM and SIGINT
 * are blocked from now on and end the waiting in fcgi_next(). A process that
 * has had one request in hand for half a minute ends itself (exit status 70):
 * whoever sent half of it would keep it for ever. False: the descriptor is no
 * socket that listens, or the system has no room. */
MUST_CHECK bool	 fcgi_open(struct fcgi **, struct mem *, int listen_fd,
		     struct err *);

/* The next request, with its parameters read, after the one before has been
 * finished with http_close(). NULL and nothing in err: a signal asked us to
 * stop, and nothing that had been sent to us is left. NULL and an error: no
 * connection can be accepted any more (ERR_SYSTEM). */
FCGX_Request	*fcgi_next(struct fcgi *, struct err *);

#endif
