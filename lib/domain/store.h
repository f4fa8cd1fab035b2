/* SPDX-License-Identifier: ISC */
/* store: what is kept, one function = one statement = one transaction.
 * Callers never see SQL; the statements are in sql.def. */
#ifndef DOMAIN_STORE_H
#define DOMAIN_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/event.h"

struct store;

/* Does not connect yet. Prepares what this program uses. */
struct store	*store_new(struct mem *, const struct cfg *, enum cfg_program,
		     const char *name);
/* Connects and checks the schema. */
MUST_CHECK bool	 store_check(struct store *, struct err *);

/* Whatever is asked of it from now on is over by then, on clock_ms(). */
void		 store_until(struct store *, long deadline_ms);

/* Journals a webhook and makes the change it tells of, in one commit. *fresh
 * is false for one that was here before: nothing was changed then. */
MUST_CHECK bool	 store_event(struct store *, struct mem *,
		     const struct event *, bool *fresh, struct err *);

/* A recording that this sweep has leased. */
struct claim {
	const char	*id, *lease;
	const char	*recording_sid, *account_sid, *call_sid;
	bool		 analyse_only;	/* the transcript is already there */
	long		 attempts;	/* this one included */
	long		 duration_s;	/* as Twilio says, 0 unknown */
	long		 channels;	/* as Twilio says, 0 unknown */
	const char	*source;	/* "RecordVerb", … or NULL */
	long		 trying_s;	/* since the first attempt */
	long		 age_s;		/* since we heard of it */
	const char	*transcript;	/* for analyse_only */
	const char	*direction;	/* of the call, may be NULL */
};

MUST_CHECK bool	 store_claim(struct store *, struct mem *, size_t most,
		     struct claim **, size_t *count, struct err *);

struct due {
	const char	*recording_sid, *step, *last_error;
	long		 attempts, overdue_s;
};
MUST_CHECK bool	 store_due(struct store *, struct mem *, size_t most,
		     struct due **, size_t *count, struct err *);

/* In the next four *held is false when the lease was lost: somebody else has
 * the recording now, so nothing was changed and the work is to be dropped. */
MUST_CHECK bool	 store_heartbeat(struct store *, struct mem *,
		     const struct claim *, bool *held, struct err *);

struct transcript {
	const char	*text;
	const char	*language, *model;	/* may be NULL */
	const char	*segments;	/* JSON array, or NULL */
	const char	*metadata;	/* JSON object */
	const char	*filename, *file_url;
	long		 seconds;
	bool		 analyse;	/* there is speech to analyse */
};
MUST_CHECK bool	 store_transcribed(struct store *, struct mem *,
		     const struct claim *, const struct transcript *,
		     bool *held, struct err *);

/* analysis NULL: there is none, and why says so. */
MUST_CHECK bool	 store_analysed(struct store *, struct mem *,
		     const struct claim *, const char *analysis,
		     const char *model, const char *why, bool *held,
		     struct err *);

struct setback {
	double		 wait_s;	/* until the next try */
	bool		 refund;	/* the attempt does not count */
	bool		 dead;		/* there is no next try */
	const char	*why;
};
MUST_CHECK bool	 store_failed(struct store *, struct mem *,
		     const struct claim *, const struct setback *, bool *held,
		     struct err *);

struct leftover {
	const char	*recording_sid, *account_sid;
};
MUST_CHECK bool	 store_to_delete(struct store *, struct mem *, size_t most,
		     struct leftover **, size_t *count, struct err *);
MUST_CHECK bool	 store_deleted(struct store *, struct mem *,
		     const char *recording_sid, struct err *);

/* The ledger of paid calls. Failing to write it stops the call. */
MUST_CHECK bool	 store_paid_open(struct store *, struct mem *,
		     const char *recording_sid, const char *step,
		     const char **id, struct err *);
MUST_CHECK bool	 store_paid_close(struct store *, struct mem *,
		     const char *id, const char *outcome, const char *units,
		     struct err *);

MUST_CHECK bool	 store_forget(struct store *, struct mem *, long days,
		     struct err *);

#endif
