/* SPDX-License-Identifier: ISC */
/* outcome: why a call or text does not go out, or what Twilio's answer to it
 * proves, as our client is told. */
#ifndef APP_OUTCOME_H
#define APP_OUTCOME_H

#include <stdbool.h>

#include "app.h"
#include "domain/outbox.h"
#include "edge/fetch.h"

/* The error for a rule of ringback_begin_send()'s. Always false. */
bool		 outcome_against(const char *rule, struct err *);

/* What the answer proves. False with err: a failure that our client is told;
 * the result then says failed. */
MUST_CHECK bool	 outcome_conclude(struct request *, const struct fetch_answer *,
		     struct outbox_result *, struct err *);

#endif
