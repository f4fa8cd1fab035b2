/* SPDX-License-Identifier: ISC */
/* roster: what an administrator arranges: whose number is whose, and that
 * what was given up is tried again. */
#ifndef DOMAIN_ROSTER_H
#define DOMAIN_ROSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "domain/store.h"

/* From now on what comes to this number belongs to this user. sid may be
 * NULL: as it was. */
MUST_CHECK bool	 roster_assign(struct store *, struct mem *,
		     const char *number, const char *user_id, const char *sid,
		     struct err *);

struct roster_number {
	const char	*number, *user_id, *sid;
};
MUST_CHECK bool	 roster_list(struct store *, struct mem *,
		     struct roster_number **, size_t *count, struct err *);

/* Makes a given-up recording (or "all" of them) due again, and those whose
 * analysis failed. */
MUST_CHECK bool	 roster_retry(struct store *, struct mem *,
		     const char *recording_sid, size_t *count, struct err *);

#endif
