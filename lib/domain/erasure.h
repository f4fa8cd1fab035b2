/* SPDX-License-Identifier: ISC */
/* erasure: takes away what there is of a number, what is old, and what came
 * back. What Twilio may have of it still is noted in the same commit, and
 * stays to be done until Twilio has been asked; then it is how a webhook that
 * comes late is known. */
#ifndef DOMAIN_ERASURE_H
#define DOMAIN_ERASURE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "domain/store.h"

/* How much was taken away. Of webhooks the bytes, of what was paid for whose
 * it was. */
struct erasure {
	size_t	calls, texts, recordings, transcripts, webhooks, paid;
};

/* What there is of a number; *under_way of it is being sent just now. */
MUST_CHECK bool	 erasure_count(struct store *, struct mem *,
		     const char *number, struct erasure *, size_t *under_way,
		     struct err *);
/* These add to what they are given. All of a number, but what is under way;
 * the legs of its calls; and the journal's bytes that have it. */
MUST_CHECK bool	 erasure_number(struct store *, const char *number,
		     struct erasure *, struct err *);
/* Where else the number stands; *count of rows. */
MUST_CHECK bool	 erasure_traces(struct store *, struct mem *,
		     const char *number, size_t *count, struct err *);
/* What was erased, and is here again. */
MUST_CHECK bool	 erasure_back(struct store *, struct erasure *, struct err *);
/* Up to `most` calls and as many texts older than that; *more: there may be. */
MUST_CHECK bool	 erasure_old(struct store *, struct mem *, long days,
		     size_t most, struct erasure *, bool *more, struct err *);

/* Whom the number told what. */
struct erasure_consent {
	const char	*sender, *day;
	bool		 out;
};
MUST_CHECK bool	 erasure_consent(struct store *, struct mem *,
		     const char *number, struct erasure_consent **,
		     size_t *count, struct err *);

/* What Twilio may have still: calls, texts and recordings. */
struct erasure_todo {
	const char	*sid, *account_sid;	/* the account may be NULL */
	long		 attempts;	/* this one included */
};
/* Found at Twilio: [{"sid", "account"}]. */
MUST_CHECK bool	 erasure_note(struct store *, struct mem *, const char *json,
		     struct err *);
/* Takes what is due, or all that was erased for somebody's sake. */
MUST_CHECK bool	 erasure_due(struct store *, struct mem *, bool all,
		     size_t most, struct erasure_todo **, size_t *count,
		     struct err *);
MUST_CHECK bool	 erasure_done(struct store *, struct mem *, const char *sid,
		     struct err *);
MUST_CHECK bool	 erasure_later(struct store *, struct mem *, const char *sid,
		     double seconds, struct err *);

#endif
