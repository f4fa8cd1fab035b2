/* SPDX-License-Identifier: ISC */
/* verdict: one table of statuses. Source: FACTS 4.2 (OpenAI), 3.8 (Twilio). */
#include "verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/json.h"

#include "base/banned.h"

static const struct {
	long		from, to;
	enum outcome	outcome;
} rules[] = {
	{ 0, 0, OUTAGE },		/* no answer at all */
	{ 200, 299, GOOD },
	{ 401, 403, SETTING },		/* key, credit, permission */
	{ 408, 409, OUTAGE },
	{ 425, 425, OUTAGE },
	{ 429, 429, OUTAGE },
	{ 500, 599, OUTAGE },
};

/* An error object of OpenAI's or Twilio's, as far as it can be told. */
static const char *
error_message(struct mem *m, const struct fetch_answer *a)
{
	const cJSON	*o;
	const char	*text;
	cJSON		*root;
	struct err	 e;

	if (!json_parse_trusted(&root, m, a->body->s, a->body->len, &e))
		return "";
	o = json_get(root, "error");
	text = json_text(o != NULL ? o : root, "message");
	return text == NULL ? "" : text_cut(m, text, 200);
}

static enum outcome
outcome_of(const struct fetch_answer *a)
{
	if (a->too_large)
		return HOPELESS;
	/* Whoever else is led elsewhere is well served. */
	if (a->refused)
		return COUNTED;
	/* Waiting does not fill an empty purse (FACTS 4.2). */
	if (a->status == 429 && strstr(a->body->s, "insufficient_quota"))
		return SETTING;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (a->status >= rules[i].from && a->status <= rules[i].to)
			return rules[i].outcome;
	return HOPELESS;
}

void
verdict_of(struct mem *m, const char *whose, const struct fetch_answer *a,
    struct verdict *v)
{
	const char *message;

	v->outcome = outcome_of(a);
	v->asked_s = a->retry_after_s;
	v->why = "";
	if (v->outcome == GOOD)
		return;
	message = error_message(m, a);
	v->why = a->too_large ?
	    mem_printf(m, "%s sent more than can be kept", whose) :
	    a->refused ?
	    mem_printf(m, "%s led to where we do not go", whose) :
	    a->status == 0 ?
	    mem_printf(m, "%s gave no answer: %s", whose, a->error) :
	    mem_printf(m, "%s answered %ld%s%s", whose, a->status,
	    *message == '\0' ? "" : ": ", message);
}

/* 20003: our key is not known, or may not; 20005: the account is suspended.
 * Media have their errors in XML, everything else in JSON. */
bool
verdict_about_account(const struct fetch_answer *a)
{
	return a->status == 401 || (a->status == 403 &&
	    (strstr(a->body->s, "20003") != NULL ||
	    strstr(a->body->s, "20005") != NULL));
}

double
verdict_wait_s(long attempts, long asked_s)
{
	double	jitter = 0.9 + 0.2 * (double)(random() & 1023) / 1023;
	double	s = 15;

	if (asked_s >= 0)
		return asked_s < 1 ? 1 : asked_s > 900 ? 900 : (double)asked_s;
	for (long i = 1; i < attempts && s < 3600; i++)
		s *= 2;
	return fmin(s, 3600) * jitter;
}
