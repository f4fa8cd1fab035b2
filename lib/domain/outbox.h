/* SPDX-License-Identifier: ISC */
/* outbox: a call or text on its way out. Its row is committed before Twilio
 * is asked and tells afterwards what came of it, so that whatever is killed
 * in between, nothing is sent twice: what is not known stays 'unknown' until
 * the sweep has found out from Twilio. */
#ifndef DOMAIN_OUTBOX_H
#define DOMAIN_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/store.h"
#include "format/json.h"

enum outbox_kind { OUTBOX_CALL, OUTBOX_MESSAGE };

struct outbox_send {
	enum outbox_kind kind;
	const char	*row;		/* id of its row: a fresh UUID */
	const char	*key_id, *user_id;
	const char	*sender;	/* number or Messaging Service */
	bool		 chosen;	/* by a user who may not use others' */
	const char	*recipient;
	const char	*body;		/* of a text */
	const char	*metadata;	/* JSON object, NULL none */
	cJSON		*request;	/* what else Twilio will be told */
	const char	*idempotency_key;	/* NULL none */
	const char	*fingerprint;	/* of the client's request, hex SHA-256 */
	bool		 dry_run;
};

struct outbox_verdict {
	const char	*word;		/* "go", "replay", "mismatch",
					   "would_send" or the rule against it */
	const char	*row;		/* of the replayed request too */
	const char	*state;		/* replay: sending sent failed unknown */
	long		 status;	/* replay: what was answered, 0 none yet */
	const char	*response;	/* replay: an error's body, or NULL */
};

/* A random UUID. */
const char	*outbox_new_row(struct mem *);

/* Every rule that could stop it, the row, the counters and the idempotency
 * key, in one transaction. */
MUST_CHECK bool	 outbox_begin(struct store *, struct mem *,
		     const struct cfg *, const struct outbox_send *,
		     struct outbox_verdict *, struct err *);

/* What the row of a callback URL (its query, "id=UUID") asked Twilio for, as
 * JSON; ERR_NOT_FOUND. */
MUST_CHECK bool	 outbox_request(struct store *, struct mem *,
		     const char *query, const char **json, struct err *);

/* Twilio says that the recipient has opted out of this sender. */
MUST_CHECK bool	 outbox_opted_out(struct store *, struct mem *,
		     const char *sender, const char *recipient, struct err *);

/* What Twilio answered. */
struct outbox_result {
	const char	*state;		/* sent, failed, unknown */
	const char	*sid;		/* when sent */
	const char	*twilio_status;	/* when sent: queued, accepted… */
	long		 error_code;	/* Twilio's, 0 none */
	const char	*error;		/* a sentence */
	long		 status;	/* what our client is told */
	const char	*response;	/* an error's body, else NULL */
};
MUST_CHECK bool	 outbox_end(struct store *, struct mem *,
		     const struct outbox_send *, const struct outbox_result *,
		     struct err *);

/* Rows whose outcome nobody knows, for the sweep. */
struct outbox_open {
	enum outbox_kind kind;
	const char	*row, *account_sid, *sender, *recipient;
	const char	*body;		/* of a text, else NULL */
	long		 created_s;	/* Unix time */
	long		 age_s;
};
MUST_CHECK bool	 outbox_unsettled(struct store *, struct mem *,
		     struct outbox_open **, size_t *count, struct err *);
/* The row is this call or text of Twilio's. *fits is false when another row
 * has the SID already. */
MUST_CHECK bool	 outbox_adopt(struct store *, struct mem *,
		     enum outbox_kind, const char *row, const char *sid,
		     const char *twilio_status, bool *fits, struct err *);
/* Twilio never had it. */
MUST_CHECK bool	 outbox_never_sent(struct store *, struct mem *,
		     enum outbox_kind, const char *row, struct err *);

#endif
