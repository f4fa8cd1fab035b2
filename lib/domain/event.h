/* SPDX-License-Identifier: ISC */
/* event: one thing that Twilio told us, wherever it comes from: a webhook at
 * the door, the spool, or what nginx kept while no worker answered. */
#ifndef DOMAIN_EVENT_H
#define DOMAIN_EVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "edge/db.h"
#include "format/form.h"

enum event_kind { EVENT_CALL, EVENT_SMS, EVENT_RECORDING };

struct event {
	enum event_kind	 kind;
	const char	*route;		/* the documented path, never an alias */
	const char	*uri;		/* as on the request line */
	const struct form *form;
	const char	*body;		/* as it came */
	size_t		 body_bytes;
	const char	*source;	/* "http", "spool", "fallback",
					   "reconcile", "replay" */
	const char	*received_at;	/* RFC 3339; NULL: now */
	bool		 verified;	/* the signature was good */
	const char	*sid;		/* of the call, text or recording */
	const char	*row;		/* of the call or text we sent, or NULL */
};

#define EVENT_MAX_VALUES 24

/* The documented path behind an alias, or NULL for a path that is not one of
 * Twilio's webhooks. Fixes which kind a form on it is. */
const char	*event_route(const char *path);

/* Fills kind, sid and row from route, URI and form. ERR_INPUT when there is no SID of
 * the right shape, and so nothing to store it under. */
MUST_CHECK bool	 event_read(struct event *, struct mem *, struct err *);

/* A text that changes who may be texted by whom: STOP, START, error 21610. */
bool		 event_is_consent(const struct event *);

/* The values of the statement for its kind (sql.def), in order. */
void		 event_values(const struct event *, const struct cfg *,
		     struct mem *, struct db_value[EVENT_MAX_VALUES]);

/* Of these, those of SQL_CALL_FIRST or SQL_TEXT_FIRST; false when the event is
 * not the request with which a call or a text comes in, from Twilio itself and
 * about no one's consent: of any other somebody has most likely heard before.
 * The row's id among them is a UUID of version 7 (RFC 9562 section 5.7): ids in
 * order of time are written side by side in the index, where there are a
 * million, and what is chance in it is of that half of the event's hash that
 * is not its key in the journal, so PostgreSQL need not ask for random
 * bytes. */
MUST_CHECK bool	 event_first(const struct event *, struct mem *,
		     const struct db_value values[EVENT_MAX_VALUES],
		     struct db_value first[EVENT_MAX_VALUES]);

/* A call's status callback that also announces a recording (REST Record=true)
 * is two events: false when this one announces none. */
bool		 event_recording_of(const struct event *call, struct event *);

#endif
