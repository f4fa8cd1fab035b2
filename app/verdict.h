/* SPDX-License-Identifier: ISC */
/* verdict: what an answer of Twilio's or OpenAI's means for a recording. */
#ifndef APP_VERDICT_H
#define APP_VERDICT_H

#include <stdbool.h>

#include "base/mem.h"
#include "edge/fetch.h"

enum outcome {
	GOOD,
	COUNTED,	/* try again, this attempt counts */
	OUTAGE,		/* not the recording's fault: does not count */
	SETTING,	/* wrong key, no quota: stop the pass, a person must act */
	HOPELESS	/* never again */
};

struct verdict {
	enum outcome	 outcome;
	const char	*why;		/* a sentence, in the mem */
	long		 asked_s;	/* Retry-After, -1 none */
};

/* whose: who answered, for the sentence. */
void	 verdict_of(struct mem *, const char *whose,
	    const struct fetch_answer *, struct verdict *);

/* Twilio's 401, and those 403 that are about our key or account and not about
 * what was asked for. */
bool	 verdict_about_account(const struct fetch_answer *);

/* Seconds until the next try: what the other side asked for, kept within a
 * second and a quarter of an hour; or, for asked_s < 0, doubling from 15 s up
 * to an hour, a tenth this or that way so that a crowd parts. */
double	 verdict_wait_s(long attempts, long asked_s);

#endif
