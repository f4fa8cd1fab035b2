/* SPDX-License-Identifier: ISC */
/* work: recordings as work orders. A sweep that claims one has it for as long
 * as it says that it lives, or until it is seen to be dead; whatever it stores
 * then is fenced: held is false when somebody else has the recording now,
 * nothing was changed and the work is to be dropped.
 *
 * What every recording needs is put into a batch, to be committed together
 * with that of others (batch.h); what is given to it must live until done()
 * is called. */
#ifndef DOMAIN_WORK_H
#define DOMAIN_WORK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/store.h"
#include "edge/batch.h"

/* A recording that this sweep has leased. */
struct claim {
	const char	*id, *lease;
	const char	*recording_sid, *account_sid;
	bool		 analyse_only;	/* the transcript is already there */
	long		 attempts;	/* this one included */
	long		 trying_s;	/* since the first attempt */
	const char	*transcript;	/* for analyse_only */
	const char	*parts;		/* as work_part_done() kept it, or NULL */
	const char	*due_at;	/* since when it was, RFC 3339 */
};

/* Of those that may be asked. */
struct work_scope {
	bool	transcribe, analyse;
};
/* Where the claim before this one ended. What is due since longer than that
 * is done, as a rule, and need not be looked at again for each claim. */
struct work_mark {
	char	due_at[64], id[40];	/* "": nowhere, look at all */
};
/* Claims those that are due longest, at most so many, for a sweep that has
 * said that it lives. */
void		 work_claim(struct batch *, struct mem *,
		     const struct work_scope *, long sweep, size_t most,
		     const struct work_mark *, bool (*done)(void *arg,
		     const struct claim *, size_t count, const struct err *),
		     void *arg);	/* NULL: it failed */
/* Behind all of these. */
void		 work_mark(struct work_mark *, const struct claim *,
		     size_t count);
/* A claim that outlives the rows it came in. */
void		 work_copy(struct mem *, const struct claim *,
		     struct claim *to);

/* For LEASE_SECONDS from now all that the sweep holds is its own. sweep: any
 * number, the same from before its first claim to work_leave(). */
MUST_CHECK bool	 work_live(struct store *, const struct cfg *, long sweep,
		     struct err *);
MUST_CHECK bool	 work_held(struct store *, const struct claim *, bool *held,
		     struct err *);
MUST_CHECK bool	 work_leave(struct store *, long sweep, struct err *);

/* Frees, in five seconds, what those have that live no more; count of them. */
MUST_CHECK bool	 work_recover(struct store *, struct mem *, size_t *count,
		     struct err *);

struct due {
	const char	*recording_sid, *step, *last_error;
	long		 attempts, overdue_s;
};
MUST_CHECK bool	 work_due(struct store *, struct mem *, size_t most,
		     struct due **, size_t *count, struct err *);

/* The ledger of calls that cost money. A row is there before the call is
 * made; how it ended is stored with what came of it, or else alone. */
struct bill {
	const char	*id;		/* NULL: there is none open */
	const char	*outcome;	/* "HTTP 200", or why there was none */
	const char	*units;		/* JSON: seconds sent */
};
/* What came of what was stored. */
struct stored {
	bool		 ok;		/* else err says why not */
	bool		 held;
	const char	*next;		/* the row of the ledger that it
					   opened, or NULL */
	const struct err *err;
};
void		 work_paid_open(struct batch *, struct mem *,
		     const char *recording_sid, const char *step,
		     bool (*done)(void *arg, const struct stored *),
		     void *arg);
MUST_CHECK bool	 work_paid_close(struct store *, struct mem *,
		     const struct bill *, struct err *);

/* One of several parts is transcribed. next: the next call's row. */
void		 work_part_done(struct batch *, struct mem *,
		     const struct claim *, const char *parts_json,
		     const struct bill *, bool (*done)(void *arg,
		     const struct stored *), void *arg);

struct transcript {
	const char	*text;
	const char	*language, *model;	/* may be NULL */
	const char	*segments;	/* JSON array, or NULL */
	const char	*metadata;	/* JSON object */
	const char	*filename, *file_url;
	long		 seconds;
	bool		 analyse;	/* there is speech to analyse */
	bool		 at_once;	/* and it is going to be: */
};
/* next: the row of the call to the language model, when at_once. */
void		 work_transcribed(struct batch *, struct mem *,
		     const struct claim *, const struct transcript *,
		     const struct bill *, bool (*done)(void *arg,
		     const struct stored *), void *arg);

/* analysis NULL: there is none, and why says so. */
void		 work_analysed(struct batch *, struct mem *,
		     const struct claim *, const char *analysis,
		     const char *model, const char *why, const struct bill *,
		     bool (*done)(void *arg, const struct stored *),
		     void *arg);

struct setback {
	double		 wait_s;	/* until the next try */
	bool		 refund;	/* the attempt does not count */
	bool		 dead;		/* there is no next try */
	const char	*why;
};
MUST_CHECK bool	 work_failed(struct store *, struct mem *,
		     const struct claim *, const struct setback *, bool *held,
		     struct err *);

/* Done, and to be deleted at Twilio. */
struct leftover {
	const char	*recording_sid, *account_sid;
};
MUST_CHECK bool	 work_to_delete(struct store *, struct mem *, size_t most,
		     struct leftover **, size_t *count, struct err *);
MUST_CHECK bool	 work_deleted(struct store *, struct mem *,
		     const char *recording_sid, struct err *);

#endif
