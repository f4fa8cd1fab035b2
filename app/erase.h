/* SPDX-License-Identifier: ISC */
/* erase: what the command's two files share. What waits on this machine, or
 * was set aside here, is remains.c's. */
#ifndef APP_ERASE_H
#define APP_ERASE_H

#include <stdbool.h>
#include <stddef.h>

#include "admin.h"
#include "domain/erasure.h"
#include "format/json.h"

struct erase {
	struct call		*c;
	struct mem		*m;
	const char		*number, *digits;
	struct erasure		 sum;
	size_t			 under_way, traces, waited, files;
	size_t			 calls, texts;	/* on Twilio's lists */
	cJSON			*own;		/* our numbers, by account */
	const char		*why;		/* Twilio's lists were not read */
	bool			 spool;		/* there is one here */
	bool			 later;		/* something is left */
};

/* What is not done, and why: a line of the receipt. */
void		 erase_left(struct erase *, const char *what);

/* False also when the spool is not for this user. */
MUST_CHECK bool	 erase_find_spool(struct erase *, struct err *);
/* Webhooks that wait here and are about the number. */
MUST_CHECK bool	 erase_count_waiting(struct erase *, size_t *count,
		     struct err *);
/* First everything that waits is stored, as the sweep would: then we know all
 * SIDs, and no STOP gets lost. */
MUST_CHECK bool	 erase_take_in(struct erase *, struct err *);
/* Files that are no event, or are not finished, and have the number. */
MUST_CHECK bool	 erase_purge(struct erase *, struct err *);

#endif
