/* SPDX-License-Identifier: ISC */
/* reconcile: what Twilio's lists have and no webhook has told us: calls, texts
 * and recordings that are missing here, and statuses that came to an end
 * unheard. They are stored as the webhook would have been, through the same
 * code. Only what concerns numbers of ours: an account may have others. */
#ifndef APP_RECONCILE_H
#define APP_RECONCILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/err.h"
#include "domain/look.h"
#include "domain/store.h"

struct reconcile {
	const struct cfg	*cfg;
	struct store		*store;
	/* An administrator's look goes back to a time (Unix time) without
	 * regard to what sweeps have looked at; 0: it is a sweep's. */
	long			 since_s;
	/* how it went */
	struct {
		size_t	listed;		/* of ours, in that time */
		size_t	imported;	/* from before the first look, or
					   what no webhook tells: replies
					   that our TwiML asked for */
		size_t	missed;		/* we had not heard of it */
		size_t	late;		/* we had not heard of its end */
		size_t	orphans;	/* here, and not at Twilio */
	}			 found[LOOKS];
	char			 refused[256];	/* why Twilio does not know our
						   key; "" */
	bool			 reached;	/* it answered */
	bool			 failed;	/* in part, for any reason */
};

/* False: the database is away. Other trouble is logged, and met again by the
 * next look, which begins where this one should have. */
MUST_CHECK bool	 reconcile_all(struct reconcile *, struct err *);

#endif
