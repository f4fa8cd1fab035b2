/* SPDX-License-Identifier: ISC */
/* work: recordings as work orders. Whoever claims one has it until its lease
 * ends, or until it is seen to be dead; whatever it stores then is fenced:
 * *held is false when somebody else has the recording now, nothing was
 * changed and the work is to be dropped. */
#ifndef DOMAIN_WORK_H
#define DOMAIN_WORK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/store.h"

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
	const char	*transcript;	/* for analyse_only */
	const char	*direction;	/* of the call, may be NULL */
	const char	*parts;		/* as work_part_done() kept it, or NULL */
};

/* Of those that may be asked. */
struct work_scope {
	bool	transcribe, analyse;
};
MUST_CHECK bool	 work_claim(struct store *, struct mem *,
		     const struct cfg *, const struct work_scope *,
		     size_t most, struct claim **, size_t *count,
		     struct err *);
/* A claim that outlives the rows it came in. */
void		 work_copy(struct mem *, const struct claim *,
		     struct claim *to);

/* Makes due, in five seconds, what sweeps have leased that live no more. */
MUST_CHECK bool	 work_recover(struct store *, struct mem *, size_t *count,
		     struct err *);

struct due {
	const char	*recording_sid, *step, *last_error;
	long		 attempts, overdue_s;
};
MUST_CHECK bool	 work_due(struct store *, struct mem *, size_t most,
		     struct due **, size_t *count, struct err *);

MUST_CHECK bool	 work_heartbeat(struct store *, struct mem *,
		     const struct cfg *, const struct claim *, bool *held,
		     struct err *);

/* The ledger of calls that cost money. A row is there before the call is
 * made; how it ended is stored with what came of it, or else alone. */
struct bill {
	const char	*id;		/* NULL: there is none open */
	const char	*outcome;	/* "HTTP 200", or why there was none */
	const char	*units;		/* JSON: seconds sent */
};
MUST_CHECK bool	 work_paid_open(struct store *, struct mem *,
		     const char *recording_sid, const char *step,
		     const char **id, struct err *);
MUST_CHECK bool	 work_paid_close(struct store *, struct mem *,
		     const struct bill *, struct err *);

/* One of several parts is transcribed. *next: the next call's row. */
MUST_CHECK bool	 work_part_done(struct store *, struct mem *,
		     const struct claim *, const char *parts_json,
		     const struct bill *, const char **next, bool *held,
		     struct err *);

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
/* *next: the row of the call to the language model, when at_once. */
MUST_CHECK bool	 work_transcribed(struct store *, struct mem *,
		     const struct claim *, const struct transcript *,
		     const struct bill *, const char **next, bool *held,
		     struct err *);

/* analysis NULL: there is none, and why says so. */
MUST_CHECK bool	 work_analysed(struct store *, struct mem *,
		     const struct claim *, const char *analysis,
		     const char *model, const char *why, const struct bill *,
		     bool *held, struct err *);

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
