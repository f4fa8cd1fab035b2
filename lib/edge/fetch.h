/* SPDX-License-Identifier: ISC */
/* fetch: HTTP requests out, many at once, on one thread (libcurl multi).
 * One credential per request: a fresh easy handle each time, no cookies, no
 * proxy, no netrc, TLS always verified, redirects handed to the caller's
 * rules below and never followed with credentials (DESIGN; FAULTS T7, T8).
 * A connection each, too, although a second handshake costs 2 ms: what was
 * opened for one credential cannot be taken for another (CVE-2026-5545,
 * CVE-2026-6276), and when a connection that was used before dies libcurl
 * sends the request again by itself, which would be paid for twice and be in
 * the ledger once. What is kept are the certificate authorities, for a day. */
#ifndef EDGE_FETCH_H
#define EDGE_FETCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

struct fetch;			/* the set of requests in flight */

struct fetch_part {		/* of a multipart/form-data body */
	const char	*name;
	const char	*text;		/* a plain field, or: */
	const void	*file;		/* bytes, not copied: keep them */
	size_t		 file_bytes;
	const void	*file_head;	/* bytes before them, may be NULL */
	size_t		 file_head_bytes;
	const char	*filename;
	const char	*type;
};

struct fetch_request {
	const char	*method;	/* "GET", "POST", "DELETE" */
	const char	*url;
	const char	*user;		/* HTTP Basic, with password */
	const char	*password;
	const char	*bearer;	/* or Authorization: Bearer */
	const char	*type;		/* of body */
	const char	*body;		/* NULL-terminated; or: */
	const struct fetch_part *parts;	/* until name == NULL */
	long		 connect_ms;
	long		 total_ms;
	long		 slow_s;	/* given up after so long below 1 kB/s;
					   0: silence is no sign */
	size_t		 cap_bytes;	/* of the answer */
	bool		 follow;	/* up to three redirects, without
					   credentials; to port 443 of a public
					   address unless url itself is
					   loopback */
};

struct fetch_answer {
	long		 status;	/* 0: no answer, see error */
	bool		 sent;		/* the request may have reached the
					   server: a create is ambiguous */
	const char	*type;		/* media type, "" when none */
	long		 retry_after_s;	/* -1: not given; HTTP dates count */
	struct buf	*body;
	char		 error[256];	/* of the transport; "" when none */
	bool		 too_large;	/* the answer passed cap_bytes */
	bool		 refused;	/* it led to where we do not go */
};

struct fetch	*fetch_new(struct mem *);

/* Starts a request; done(arg, answer) is called from fetch_wait(). All that
 * the request points to must live until then. The answer lives in mem; when
 * mem is freed before it has come, the request is called off. */
void		 fetch_start(struct fetch *, struct mem *,
		     const struct fetch_request *,
		     void (*done)(void *arg, const struct fetch_answer *),
		     void *arg);

/* Moves all requests on, waiting at most timeout_ms for something to happen,
 * to them or on another socket (-1: none; events as for poll()); returns how
 * many are still in flight. */
size_t		 fetch_wait(struct fetch *, int also, short events,
		     long timeout_ms);

/* One request, waited for. */
void		 fetch_one(struct mem *, const struct fetch_request *,
		     struct fetch_answer *);

/* name=value&… percent-encoded, for URLs and form bodies. */
void		 fetch_encode(struct buf *, const char *name, const char *value);

#endif
