/* SPDX-License-Identifier: ISC */
/* voice: what a caller hears. */
#include "app.h"

#include "format/twiml.h"

#include "base/banned.h"

static void
say(struct twiml *t, const struct cfg *cfg, const char *text)
{
	const struct twiml_voice voice = {
		.name = cfg->voice_name,
		.language = cfg->voice_language,
	};

	if (*text != '\0')
		twiml_say(t, &voice, text);
}

/* Behind <Record> comes what a caller hears who said nothing: Twilio then
 * makes no recording, asks for no action and goes on with the next verb. */
bool
voice_incoming(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	const struct cfg	*cfg = app->cfg;
	const struct twiml_record record = {
		.action = mem_printf(q->m, "%s/api/twilio/recording",
		    cfg->webhook_base),
		.status_callback = mem_printf(q->m,
		    "%s/api/twilio/recording-status", cfg->webhook_base),
		.status_events = "in-progress completed absent",
		.max_length_s = cfg->voicemail_secs,
		.timeout_s = cfg->silence_secs,
	};
	struct twiml t;

	if (!intake(app, q, e))
		return false;
	r->type = "text/xml; charset=utf-8";
	twiml_open(&t, r->body);
	say(&t, cfg, cfg->greeting);
	twiml_record(&t, &record);
	say(&t, cfg, cfg->goodbye);
	twiml_hangup(&t);
	return twiml_close(&t, e);
}

bool
voice_recorded(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	struct twiml t;

	if (!intake(app, q, e))
		return false;
	r->type = "text/xml; charset=utf-8";
	twiml_open(&t, r->body);
	say(&t, app->cfg, app->cfg->goodbye);
	twiml_hangup(&t);
	return twiml_close(&t, e);
}
