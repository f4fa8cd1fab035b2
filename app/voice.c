/* SPDX-License-Identifier: ISC */
/* voice: what a caller hears. */
#include "app.h"

#include <string.h>

#include "base/text.h"
#include "domain/outbox.h"
#include "domain/twilio.h"
#include "format/json.h"

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

/* What every caller hears first. Behind <Record> comes what one hears who said
 * nothing: Twilio then makes no recording, asks for no action and goes on with
 * the next verb. */
static bool
greet(struct app *app, struct err *e)
{
	const struct cfg	*cfg = app->cfg;
	const struct twiml_record record = {
		.action = mem_printf(app->m, "%s/api/twilio/recording"
		    TWILIO_ASK_AGAIN_LIVE, cfg->webhook_base),
		.status_callback = mem_printf(app->m,
		    "%s/api/twilio/recording-status" TWILIO_ASK_AGAIN,
		    cfg->webhook_base),
		.status_events = "in-progress completed absent",
		.max_length_s = cfg->voicemail_secs,
		.timeout_s = cfg->silence_secs,
	};
	struct buf	*out = buf_new(app->m, TWIML_MAX_BYTES);
	struct twiml	 t;

	twiml_open(&t, out);
	say(&t, cfg, cfg->greeting);
	twiml_record(&t, &record);
	say(&t, cfg, cfg->goodbye);
	twiml_hangup(&t);
	if (!twiml_close(&t, e))
		return false;
	app->greeting = out;
	return true;
}

bool
voice_incoming(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	if (!intake(app, q, e) || (app->greeting == NULL && !greet(app, e)))
		return false;
	r->type = "text/xml; charset=utf-8";
	r->body = app->greeting;
	return true;
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

/* Twilio speaks at most 4,096 characters at once, Polly voices 3,000. */
#define SAY_CHARS	2500

/* As much as one <Say> takes, up to the end of a sentence or word. */
static const char *
take_speech(struct mem *m, const char **text)
{
	const char	*piece = text_cut(m, *text, SAY_CHARS);
	size_t		 n = strlen(piece);

	if ((*text)[n] != '\0')
		for (size_t i = n; i > n / 2; i--)
			if (piece[i - 1] == '.' || piece[i - 1] == '\n' ||
			    (i < 3 * n / 4 && piece[i - 1] == ' ')) {
				n = i;
				break;
			}
	*text += n;
	return mem_dup_n(m, piece, n);
}

bool
voice_message(struct buf *out, struct mem *m, const struct twiml_voice *voice,
    const char *message, struct err *e)
{
	struct twiml t;

	twiml_open(&t, out);
	while (*message != '\0')
		twiml_say(&t, voice, take_speech(m, &message));
	return twiml_close(&t, e);
}

bool
voice_outbound(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	struct twiml_voice	 voice;
	const char		*text, *message;
	cJSON			*o;

	if (!intake(app, q, e) ||
	    !outbox_request(app->store, q->m, q->http.query, &text, e) ||
	    !json_parse_trusted(&o, q->m, text, strlen(text), e))
		return false;
	message = json_text(o, "message");
	voice.name = json_text(o, "voice");
	voice.language = json_text(o, "language");
	r->type = "text/xml; charset=utf-8";
	return voice_message(r->body, q->m, &voice,
	    message == NULL ? "" : message, e);
}
