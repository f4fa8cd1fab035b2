/* SPDX-License-Identifier: ISC */
/* archive: what has happened, as JSON, for whoever may see it. The owner is
 * one predicate in every statement: user_id NULL sees all, anybody else sees
 * rows with that user_id. */
#ifndef DOMAIN_ARCHIVE_H
#define DOMAIN_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/store.h"

enum archive_kind {
	ARCHIVE_CALL, ARCHIVE_SMS, ARCHIVE_RECORDING, ARCHIVE_TRANSCRIPTION
};

/* Every member but limit may be NULL: no restriction. */
struct archive_query {
	const char	*number;	/* either side */
	const char	*user_id;
	const char	*since, *until;	/* RFC 3339 */
	const char	*status;
	const char	*direction;	/* "inbound", "outbound" */
	const char	*words;		/* in the message or the transcript */
	const char	*cursor;	/* as *next of the page before */
	long		 limit;
};

/* A page of calls or texts, newest first: a JSON array into out, *next the
 * cursor of the following page or NULL. ERR_INPUT for a bad cursor. */
MUST_CHECK bool	 archive_page(struct store *, struct mem *, enum archive_kind,
		     const struct archive_query *, struct buf *out,
		     const char **next, struct err *);

/* One thing with all that hangs on it, by SID or by the id of its row; the
 * JSON object, or ERR_NOT_FOUND, also when it is somebody else's. */
MUST_CHECK bool	 archive_show(struct store *, struct mem *, enum archive_kind,
		     const char *sid, const char *user_id, const char **json,
		     struct err *);

/* For health and metrics: how much is due, failed, unsettled. */
struct archive_backlog {
	long		 due, oldest_due_s, dead, unsettled;
	const char	*paused;	/* services, commas between; "" */
};
MUST_CHECK bool	 archive_backlog(struct store *, struct mem *,
		     struct archive_backlog *, struct err *);

#endif
