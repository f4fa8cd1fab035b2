/* SPDX-License-Identifier: ISC */
/* job: one recording in the hands of this sweep. Every function below that
 * ends the job frees it: the caller returns at once. */
#ifndef APP_JOB_H
#define APP_JOB_H

#include "domain/account.h"
#include "format/audio.h"
#include "format/json.h"
#include "sweep.h"
#include "verdict.h"

struct job {
	struct job	*next;
	struct sweep	*s;
	struct mem	*m;
	struct claim	 c;
	struct account	 account;
	long		 started_ms;
	/* transcription */
	const struct buf *media;
	struct audio	 audio;
	struct audio_part part;
	size_t		 offset, next_offset;	/* heard up to here; and then */
	size_t		 part_bytes;
	struct buf	*text;
	cJSON		*segments;
	const char	*language;
	bool		 heard;
	/* analysis */
	const char	*transcript;
	const char	*why_none;	/* or NULL */
	int		 asks;
	bool		 plain;
	struct bill	 bill;		/* of the paid call in flight, if any */
	/* storing */
	bool		 storing;	/* something of it is in the batch */
	bool		 ends;		/* with that */
	int		 tries;		/* to store that */
	void		(*then)(struct job *);	/* once the bill is open */
};

/* --- lifecycle, job.c --- */

/* Ends the job: a line for the log, why NULL when there is nothing wrong. */
void	 job_finish(struct job *, const char *how, const char *why);
/* Ends the job: not stored (ok false), or another sweep has it now. */
void	 job_dropped(struct job *, bool ok, const struct err *);
/* Ends the job: the recording comes back later, or never (HOPELESS). */
void	 job_set_back(struct job *, enum outcome, double wait_s,
	    const char *why);
/* False: the answer is not good, and the job has ended. */
bool	 job_is_good(struct job *, const struct fetch_answer *, enum service);
/* Something of it goes into the batch, and nothing else happens to the job
 * until job_stored() has been asked how that went: true, it is stored; else
 * *again says whether it is tried again, or else the job has ended. A paid
 * answer must not be lost to a database that is restarting. */
struct batch *job_store(struct job *);
/* It is the last thing: another may be claimed in its place. */
struct batch *job_store_last(struct job *);
bool	 job_stored(struct job *, const struct stored *, bool paid, bool *again);
/* The ledger before a paid request, and then that. */
void	 job_paid_open(struct job *, const char *step,
	    void (*then)(struct job *));
/* How it ended; stored with the next thing that is. */
void	 job_paid_note(struct job *, const struct fetch_answer *,
	    double seconds);
/* Or alone. */
void	 job_paid_close(struct job *);

/* --- work, steps.c --- */

void	 job_fetch_media(struct job *);
void	 job_analyse(struct job *);
/* Ends the job with an analysis, or with why there is none. */
void	 job_keep_analysis(struct job *, const char *analysis,
	    const char *model, const char *why);

#endif
