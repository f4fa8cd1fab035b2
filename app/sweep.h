/* SPDX-License-Identifier: ISC */
/* sweep: what one pass of ringback-sweep shares among its recordings. */
#ifndef APP_SWEEP_H
#define APP_SWEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/mem.h"
#include "domain/store.h"
#include "edge/fetch.h"

struct job;

/* Whom a pass asks. */
enum service { TWILIO, SPEECH, ANALYST, SERVICES };

struct sweep {
	const struct cfg	*cfg;
	struct store		*store;
	struct fetch		*fetch;
	struct job		*jobs;		/* in flight */
	size_t			 running;
	bool			 chatty;	/* a line per recording */
	/* how it went */
	size_t			 done, silent, failed, later, replayed;
	unsigned		 outages[SERVICES];	/* in a row, of each */
	char			 stop[256];	/* why no more are claimed; "" */
	long			 again_ms;	/* something is due soon; 0 no */
};

/* One recording from claim to done, driven by fetch_wait(). The job frees
 * itself when it is over. */
void	 job_start(struct sweep *, struct mem *own, const struct claim *);
/* Renews every lease; call it well within LEASE_SECONDS. */
void	 job_heartbeat(struct sweep *);
/* Gives back what is in flight, uncounted: the pass is being stopped. */
void	 job_release_all(struct sweep *);

/* Takes in what waits in the spool and what nginx kept. False: the database
 * is away; what waits goes on waiting. */
MUST_CHECK bool	 replay_all(struct sweep *, struct err *);

/* Finds out about sends whose outcome is unknown. False: the database is
 * away. */
MUST_CHECK bool	 settle_all(struct sweep *, struct err *);

#endif
