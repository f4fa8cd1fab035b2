/* SPDX-License-Identifier: ISC */
/* chores: what there is to do for a pass of the sweep, asked in one go, as in
 * most minutes there is nothing. A yes may be somebody else's by the time it
 * is seen to; what comes up after the question is the next pass's. */
#ifndef DOMAIN_CHORES_H
#define DOMAIN_CHORES_H

#include <stdbool.h>

#include "base/cfg.h"
#include "base/err.h"
#include "domain/store.h"

struct chores {
	bool	pauses;		/* of services: pause_list() */
	bool	sends;		/* nobody knows what became: outbox_unsettled() */
	bool	lists;		/* Twilio's, to be looked at: look_begin() */
	bool	back;		/* was erased, and is here: erasure_back() */
	bool	leases;		/* some sweep's, dead or alive: work_recover() */
	bool	due;		/* recordings: work_due() */
	bool	deletions;	/* of recordings at Twilio: work_to_delete() */
	bool	old;		/* too old to be here: erasure_old() */
	bool	errands;	/* to erase at Twilio: erasure_due() */
	bool	journal;	/* to be forgotten: journal_forget(), …_sends() */
};

/* Without an answer they are left as they were. */
MUST_CHECK bool	 chores_ask(struct store *, const struct cfg *,
		     struct chores *, struct err *);

#endif
