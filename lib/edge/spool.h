/* SPDX-License-Identifier: ISC */
/* spool: durable files for webhooks that the database could not take.
 * A record is on disk, fsynced together with its directory, before
 * spool_put() returns true; only then may the webhook be answered with 2xx.
 *
 * DIR/tmp	being written
 * DIR/new	waiting, oldest name first
 * DIR/reserve	room set aside for when the disk is full; see reserve.h
 * DIR/bad	what is no record at all, for a person to look at
 * Who may look is up to DIR and its group: who writes, who reads and who counts
 * them are different users of one group.
 * A record: "ringback-spool 1 SHA256 BYTES\n", then its fields. */
#ifndef EDGE_SPOOL_H
#define EDGE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

struct spool_record {
	const char	*route;		/* the path it came in by */
	const char	*uri;		/* as on the request line */
	const char	*received_at;	/* RFC 3339, UTC */
	const char	*verified;	/* "yes", or "no" in observe mode */
	const char	*body;		/* raw bytes */
	size_t		 body_bytes;
};

/* Makes what is missing of DIR, with a reserve of so many records of up to
 * 16 KB. */
MUST_CHECK bool	 spool_prepare(struct mem *, const char *dir, size_t reserve,
		     struct err *);

/* A failed fsync is not repeated: the kernel may have dropped the pages. A
 * new file is tried once; when the disk is full, the reserve. */
MUST_CHECK bool	 spool_put(struct mem *, const char *dir,
		     const struct spool_record *, struct err *);

/* Names of what waits, NULL-terminated: files, oldest first, then what is in
 * the reserve. None when the directory is not there yet. */
MUST_CHECK bool	 spool_list(struct mem *, const char *dir, char ***names,
		     struct err *);

/* ERR_INPUT: it is no file, or too large to be one of ours. */
MUST_CHECK bool	 spool_read(struct mem *, const char *dir, const char *name,
		     char **, size_t *, struct err *);
/* ERR_INPUT: it is damaged. */
MUST_CHECK bool	 spool_parse(struct mem *, const char *, size_t,
		     struct spool_record *, struct err *);
void		 spool_done(struct mem *, const char *dir, const char *name);
void		 spool_bad(struct mem *, const char *dir, const char *name);

/* One replay at a time on this machine: *fd holds the lock until close(), or
 * is -1 when another has it. */
MUST_CHECK bool	 spool_lock(const char *dir, int *fd, struct err *);
/* What is in hand, for whoever holds the lock after us, should we die of it:
 * that many times now. NULL: nothing is. */
void		 spool_note(int lock, const char *name, long times);
/* What was in hand, or "", and how many times. */
const char	*spool_noted(struct mem *, int lock, long *times);

/* Nothing of what has left the reserve is on disk any more. */
MUST_CHECK bool	 spool_blank(struct mem *, const char *dir, struct err *);

/* A whole file, at most cap bytes. */
MUST_CHECK bool	 spool_read_file(struct mem *, const char *path, size_t cap,
		     char **, size_t *, struct err *);
/* Names in a directory, sorted, NULL-terminated; dot files left out. */
MUST_CHECK bool	 spool_names(struct mem *, const char *dir, char ***names,
		     struct err *);

#endif
