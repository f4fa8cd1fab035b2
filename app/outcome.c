/* SPDX-License-Identifier: ISC */
/* outcome: the words and statuses for what did not go out. */
#include "outcome.h"

#include <string.h>

#include "format/codes.h"
#include "format/json.h"

#include "base/banned.h"

/* What stands against a send, in words. */
static const struct {
	const char	*rule, *field;
	enum err_kind	 kind;
	long		 retry_s;
	const char	*sentence;
} rules[] = {
	{ "country_not_allowed", "to", ERR_FORBIDDEN, 0, "calls and texts to "
	    "this country are not allowed (SEND_COUNTRIES)" },
	{ "opted_out", "to", ERR_FORBIDDEN, 0, "the recipient has opted out "
	    "of texts from this sender (STOP)" },
	{ "foreign_sender", "from", ERR_FORBIDDEN, 0, "this number belongs to "
	    "another user" },
	{ "quiet_hours", "", ERR_FORBIDDEN, 0, "nothing is sent during the "
	    "quiet hours (SEND_QUIET_HOURS)" },
	{ "daily_ceiling", "", ERR_LIMIT, 3600, "the ceiling for all sends of "
	    "today is reached (SEND_PER_DAY)" },
	{ "key_rate", "", ERR_LIMIT, 60, "this key has sent its share for "
	    "this minute (SEND_PER_KEY_MINUTE)" },
	{ "recipient_rate", "to", ERR_LIMIT, 3600, "this number has had its "
	    "share for this hour (SEND_PER_RECIPIENT_HOUR)" },
	{ "mismatch", "Idempotency-Key", ERR_UNPROCESSABLE, 0, "this "
	    "Idempotency-Key was used for another request" },
};

bool
outcome_against(const char *rule, struct err *e)
{
	size_t i = 0;

	while (strcmp(rules[i].rule, rule) != 0)
		if (++i == sizeof(rules) / sizeof(rules[0]))
			return err_set(e, ERR_SYSTEM, "unknown rule %s", rule);
	err_field(e, rules[i].kind, strcmp(rule, "mismatch") == 0 ?
	    "idempotency_key_reused" : rule, rules[i].field, "%s",
	    rules[i].sentence);
	e->retry_after_s = rules[i].retry_s;
	return false;
}

/* Twilio said no: in our words, since its own quote numbers and texts, which
 * must not get into the log. */
static void
refused(struct mem *m, long status, long code, struct err *e)
{
	const char *field = codes_field(code);

	if (status == 429)
		err_field(e, ERR_LIMIT, "twilio_busy", "",
		    "Twilio is asked too often; nothing was sent");
	else if (status == 401 || (status == 403 && code < 21000))
		err_field(e, ERR_DOWN, "twilio_credentials", "",
		    "Twilio did not accept our credentials");
	else if (code == 21610)
		(void)outcome_against("opted_out", e);
	else if (code == 0)
		err_field(e, ERR_UNPROCESSABLE, "twilio_refused", "",
		    "Twilio refused the request, and does not say why");
	else
		err_field(e, ERR_UNPROCESSABLE, mem_printf(m, "twilio_%ld",
		    code), field == NULL ? "" : field, "%s",
		    codes_sentence(m, code));
}

bool
outcome_conclude(struct request *q, const struct fetch_answer *a,
    struct outbox_result *res, struct err *e)
{
	cJSON		*o = NULL;
	struct err	 ignored;
	double		 code;

	*res = (struct outbox_result){ .state = "unknown", .status = 202 };
	if (!json_parse_trusted(&o, q->m, a->body->s, a->body->len, &ignored))
		o = NULL;
	if (a->status >= 200 && a->status < 300 && o != NULL &&
	    json_text(o, "sid") != NULL) {
		res->state = "sent";
		res->status = 201;
		res->sid = json_text(o, "sid");
		res->twilio_status = json_text(o, "status");
		return true;
	}
	if ((a->status == 0 && a->sent) || a->status >= 500 ||
	    (a->status >= 200 && a->status < 400))
		return true;
	res->state = "failed";
	/* Twilio's codes have five digits. fmin() and its like would be all
	 * for which a worker has libm, 14 KB of memory each. */
	code = json_number(o, "code", 0);
	res->error_code = code <= 0 ? 0 : code >= 99999 ? 99999 : (long)code;
	if (a->status == 0)
		err_field(e, ERR_DOWN, "twilio_unreachable", "",
		    "Twilio cannot be reached; nothing was sent");
	else
		refused(q->m, a->status, res->error_code, e);
	if (e->kind == ERR_LIMIT)
		e->retry_after_s = a->retry_after_s > 0 ? a->retry_after_s : 1;
	res->error = mem_dup(q->m, e->text);
	res->status = err_http(e->kind);
	res->response = answer_error_body(q, e);
	return false;
}
