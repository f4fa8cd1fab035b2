/* SPDX-License-Identifier: ISC */
/* sweep: what one pass of ringback-sweep shares among its recordings. */
#ifndef APP_SWEEP_H
#define APP_SWEEP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/mem.h"
#include "domain/chores.h"
#include "domain/work.h"
#include "edge/fetch.h"

struct job;

/* Whom a pass asks. */
enum service { TWILIO, SPEECH, ANALYST, SERVICES };

struct sweep {
	const struct cfg	*cfg;
	struct store		*store;
	struct batch		*batch;		/* what is stored together */
	struct fetch		*fetch;
	struct mem		*m;		/* of the pass */
	long			 id;		/* see work_live(); 0: none yet */
	unsigned		 session;	/* in which it said that it lives */
	const volatile sig_atomic_t *stopped;
	struct chores		 todo;		/* as far as it is known */
	struct job		*jobs;		/* in flight */
	size_t			 running, ending;	/* once it is stored */
	bool			 chatty;	/* a line per recording */
	/* what is claimed next */
	struct work_mark	 mark;		/* behind that; "" anything */
	size_t			 claiming;	/* under way; 0: nothing is */
	struct mem		*claim_mem;	/* and its mem */
	bool			 none_left;	/* at all */
	long			 rest_ms;	/* not before, if any are in flight */
	long			 look_back_ms;	/* then from the beginning */
	/* how it went */
	size_t			 claimed, done, silent, failed, later;
	size_t			 replayed, found;
	unsigned		 outages[SERVICES];	/* in a row, of each */
	struct {
		bool		 ill;		/* refused us, not seen well since */
		long		 until_ms;	/* not asked before, clock_ms() */
		char		 why[256];
	}			 pauses[SERVICES];
	char			 stop[256];	/* why no more are claimed; "" */
	long			 again_ms;	/* something is due soon; 0 no */
};

/* --- its recordings, pass.c --- */

/* What dead sweeps held will be free in some seconds. */
void	 pass_recover(struct sweep *, struct mem *);
/* Claims recordings and works on them until there are no more. */
void	 pass_work(struct sweep *, size_t jobs, size_t limit);

/* One recording from claim to done, driven by fetch_wait(). The job frees
 * itself when it is over. */
void	 job_start(struct sweep *, struct mem *own, const struct claim *);
/* Says that we live, and drops what we have no more; call it well within
 * LEASE_SECONDS. False: the database is away. */
bool	 job_heartbeat(struct sweep *);
/* Gives back what is in flight, uncounted: the pass is being stopped. */
void	 job_release_all(struct sweep *);

/* --- whom it asks, services.c --- */

const char	*service_name(enum service);	/* in a sentence */
MUST_CHECK bool	 services_load(struct sweep *, struct err *);
/* Nobody asks it for a quarter of an hour, and somebody is told, once. */
void		 service_pause(struct sweep *, enum service, const char *why);
void		 service_is_well(struct sweep *, enum service);
bool		 service_asleep(const struct sweep *, enum service);
/* What may be claimed, and how many at once: one, to try a service again that
 * was paused. */
struct work_scope services_scope(const struct sweep *);
size_t		 services_jobs(const struct sweep *, size_t jobs);

/* Finds out about sends whose outcome is unknown. False: the database is
 * away. */
MUST_CHECK bool	 settle_all(struct sweep *, struct err *);

/* --- what is to be here no more, tidy.c --- */

/* What was erased, and has come back with a webhook that was late. */
void		 tidy_late(struct sweep *);
/* What is older than RETENTION_DAYS; and what Twilio has of all that was
 * erased. */
void		 tidy_old(struct sweep *);

#endif
