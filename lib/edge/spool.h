/* SPDX-License-Identifier: ISC */
/* spool: durable files for webhooks that the database could not take.
 * A record is on disk, fsynced together with its directory, before
 * spool_put() returns true; only then may the webhook be answered with 2xx.
 *
 * DIR/tmp	being written
 * DIR/new	waiting, oldest name first
 * DIR/bad	unreadable or refused by the database for what is in it: kept
 *		for a person to look at, never retried
 * A file: "ringback-spool 1 SHA256 BYTES\n", then the record's fields. */
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

MUST_CHECK bool	 spool_put(struct mem *, const char *dir,
		     const struct spool_record *, struct err *);

/* Names waiting, oldest first, NULL-terminated; none when the directory is
 * not there yet. */
MUST_CHECK bool	 spool_list(struct mem *, const char *dir, char ***names,
		     struct err *);

/* ERR_INPUT: the file is damaged; move it to bad. */
MUST_CHECK bool	 spool_get(struct mem *, const char *dir, const char *name,
		     struct spool_record *, struct err *);
void		 spool_done(const char *dir, const char *name);
void		 spool_bad(const char *dir, const char *name);

/* One replay at a time on this machine: *fd holds the lock until close(), or
 * is -1 when another has it. */
MUST_CHECK bool	 spool_lock(const char *dir, int *fd, struct err *);

/* A whole file, at most cap bytes. */
MUST_CHECK bool	 spool_read_file(struct mem *, const char *path, size_t cap,
		     char **, size_t *, struct err *);
/* Names in a directory, sorted, NULL-terminated; dot files left out. */
MUST_CHECK bool	 spool_names(struct mem *, const char *dir, char ***names,
		     struct err *);

#endif
