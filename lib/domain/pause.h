/* SPDX-License-Identifier: ISC */
/* pause: a service that refused our key, or has no credit left, is not asked
 * again for a while: by any sweep, so that a person gets one alarm. */
#ifndef DOMAIN_PAUSE_H
#define DOMAIN_PAUSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "domain/store.h"

struct pause {
	const char	*service;	/* "Twilio", … as pause_begin() was told */
	const char	*why;
	long		 left_s;	/* 0: it may be tried, and was not yet */
};
MUST_CHECK bool	 pause_list(struct store *, struct mem *, struct pause **,
		     size_t *count, struct err *);
/* *fresh: it was well before. */
MUST_CHECK bool	 pause_begin(struct store *, struct mem *,
		     const char *service, long seconds, const char *why,
		     bool *fresh, struct err *);
/* It has given a good answer; "all": somebody has seen to them. */
MUST_CHECK bool	 pause_end(struct store *, struct mem *, const char *service,
		     struct err *);

#endif
