/* SPDX-License-Identifier: ISC */
/* sms: a text is kept, then answered. */
#include "app.h"

#include <string.h>

#include "format/phone.h"
#include "format/twiml.h"

#include "base/banned.h"

/* Twilio answers STOP, START and HELP itself and a second answer would break
 * the carriers' rules; our own numbers and short codes are machines that may
 * answer back for ever (Twilio error 14107). */
static bool
wants_reply(const struct cfg *cfg, const struct form *f)
{
	const char *from = form_some(f, "From"), *body = form_get(f, "Body");

	return *cfg->sms_reply != '\0' &&
	    form_some(f, "OptOutType") == NULL &&
	    (body == NULL || phone_consent(body) == CONSENT_NONE) &&
	    from != NULL && strlen(from) > 7 &&
	    (cfg->phone_number == NULL ||
	    strcmp(from, cfg->phone_number) != 0);
}

bool
sms_incoming(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	struct twiml t;

	if (!intake(app, q, e))
		return false;
	r->type = "text/xml; charset=utf-8";
	twiml_open(&t, r->body);
	if (wants_reply(app->cfg, q->form))
		twiml_message(&t, app->cfg->sms_reply);
	return twiml_close(&t, e);
}
