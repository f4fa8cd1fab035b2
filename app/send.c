/* SPDX-License-Identifier: ISC */
/* send: calls and texts on request. The row comes first, then Twilio, then
 * what came of it. Only an answer that proves Twilio did nothing is a
 * failure; anything else stays unknown, for the sweep to find out, and is
 * never sent again. */
#include "app.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "domain/account.h"
#include "domain/archive.h"
#include "domain/outbox.h"
#include "domain/twilio.h"
#include "format/phone.h"
#include "input.h"
#include "outcome.h"

#include "base/banned.h"

#define MAX_INLINE	4000	/* characters of the Twiml parameter (32018) */
#define PATIENCE_MS	5000	/* for 429s, before the last try may start */
#define ANSWER_MS	13000	/* for all tries; nginx waits 15 s for us */
#define MAX_PAUSE_MS	3000

/* What clients call it, where its row is, what Twilio calls it. */
static const struct {
	const char		*name;
	enum archive_kind	 archive;
	const char		*resource;
} kinds[] = {
	[OUTBOX_CALL] = { "call", ARCHIVE_CALL, "Calls" },
	[OUTBOX_MESSAGE] = { "message", ARCHIVE_SMS, "Messages" },
};

/* The row as it is now; without a database what we know of it. */
static void
answer_row(struct app *app, struct request *q, struct http_response *r,
    const struct outbox_send *s, const char *row,
    const struct outbox_result *known, int status)
{
	const char	*json;
	struct err	 e;
	cJSON		*o;

	if (!archive_show(app->store, q->m, kinds[s->kind].archive, row, NULL,
	    &json, &e)) {
		o = json_object(q->m);
		json_add_text(o, "id", row);
		json_add_text(o, "sid", known == NULL ? NULL : known->sid);
		json_add_text(o, "to_number", s->recipient);
		json_add_text(o, "status", known == NULL ? "unknown" :
		    known->sid == NULL ? known->state : known->twilio_status);
		json = json_print(q->m, o);
	}
	answer_json(r, status, kinds[s->kind].name, json);
}

static void
pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* Asks Twilio once; a 429 was "never processed" (Twilio error 20429) and is
 * asked again with full jitter while there is time. */
static void
ask_twilio(struct app *app, struct request *q, enum outbox_kind kind,
    const char *form, struct fetch_answer *a)
{
	struct account		account = { .sid = app->cfg->account_sid,
				    .tokens = { app->cfg->auth_token, NULL } };
	struct fetch_request	f;
	long			start = clock_ms(), pause, cap = 200;

	twilio_create(app->cfg, q->m, &account, kinds[kind].resource, form,
	    &f);
	for (;;) {
		if (f.total_ms > ANSWER_MS - (clock_ms() - start))
			f.total_ms = ANSWER_MS - (clock_ms() - start);
		fetch_one(q->m, &f, a);
		pause = 50 + random() % cap;
		if (a->retry_after_s > 0)
			pause = a->retry_after_s * 1000;
		if (a->status != 429 || pause > MAX_PAUSE_MS ||
		    clock_ms() + pause - start > PATIENCE_MS)
			return;
		pause_ms(pause);
		cap = cap < MAX_PAUSE_MS / 2 ? cap * 2 : MAX_PAUSE_MS;
	}
}

/* What was answered to this Idempotency-Key before, or how it stands now. */
static bool
replay(struct app *app, struct request *q, struct http_response *r,
    const struct outbox_send *s, const struct outbox_verdict *v)
{
	http_header(r, "Idempotent-Replayed", "true");
	if (v->response != NULL) {
		r->status = (int)v->status;
		r->type = "application/json";
		buf_printf(r->body, "%s\n", v->response);
	} else {
		answer_row(app, q, r, s, v->row, NULL,
		    strcmp(v->state, "sent") == 0 ? 201 : 202);
	}
	return true;
}

static bool
answer_dry_run(struct request *q, struct http_response *r, const char *word)
{
	cJSON		*o = json_object(q->m);
	struct err	 why;
	bool		 ok = strcmp(word, "would_send") == 0;

	json_add_bool(o, "success", true);
	json_add_bool(o, "dryRun", true);
	json_add_bool(o, "wouldSend", ok);
	json_add_text(o, "rule", ok ? NULL : word);
	if (!ok) {
		(void)outcome_against(word, &why);
		json_add_text(o, "reason", why.text);
	}
	r->status = 200;
	r->type = "application/json";
	buf_printf(r->body, "%s\n", json_print(q->m, o));
	return true;
}

/* Rules, row, Twilio, outcome. build() makes the form once the row's id is
 * known, because the callbacks carry it. */
static bool
deliver(struct app *app, struct request *q, struct http_response *r,
    struct outbox_send *s, bool (*build)(struct app *, struct request *,
    const struct outbox_send *, struct buf *, struct err *), struct err *e)
{
	struct buf		*form = buf_new(q->m, 65536);
	struct outbox_verdict	 v = { .word = "country_not_allowed" };
	struct outbox_result	 res;
	struct fetch_answer	 a;
	struct err		 ignored;
	bool			 ok;

	s->row = outbox_new_row(q->m);
	s->dry_run = input_bool(q, "dryRun");
	s->fingerprint = text_sha256(q->m, q->http.body, q->http.body_bytes);
	s->idempotency_key = q->http.idempotency_key;
	if (!build(app, q, s, form, e))
		return false;
	if (phone_is_in(s->recipient, app->cfg->send_countries) &&
	    !outbox_begin(app->store, q->m, app->cfg, s, &v, e))
		return false;
	if (s->dry_run && strcmp(v.word, "mismatch") != 0)
		return answer_dry_run(q, r, strcmp(v.word, "replay") == 0 ?
		    "would_send" : v.word);
	if (strcmp(v.word, "replay") == 0)
		return replay(app, q, r, s, &v);
	if (strcmp(v.word, "go") != 0) {
		metric_add(METRIC_SEND_STOPPED, 1);
		return outcome_against(v.word, e);
	}
	ask_twilio(app, q, s->kind, form->s, &a);
	ok = outcome_conclude(q, &a, &res, e);
	q->sid = res.sid;
	metric_add(!ok ? METRIC_SEND_FAILED : res.sid != NULL ? METRIC_SENT :
	    METRIC_SEND_UNKNOWN, 1);
	if (res.error_code == 21610 && !outbox_opted_out(app->store, q->m,
	    s->sender, s->recipient, &ignored))
		log_warn("opt-out not kept", "why=%s",
		    log_quote(ignored.text));
	/* If this fails the callbacks, or the sweep, will tell the row. */
	if (!outbox_end(app->store, q->m, s, &res, &ignored))
		log_error("outcome not kept", "row=%s sid=%s why=%s", s->row,
		    res.sid == NULL ? "-" : res.sid, log_quote(ignored.text));
	if (!ok)
		return false;
	answer_row(app, q, r, s, s->row, &res, (int)res.status);
	return true;
}

/* Who it is for, from whom, with what: the same for calls and texts. */
static bool
read_common(struct app *app, struct request *q, struct outbox_send *s,
    struct err *e)
{
	const char *named = input_text(q, "userId");
	bool	    admin = (q->key.scopes & KEY_ADMIN) != 0;

	if (!admin && named != NULL && (q->key.user_id == NULL ||
	    strcmp(named, q->key.user_id) != 0))
		return err_field(e, ERR_FORBIDDEN, "foreign_user", "userId",
		    "this key sends for its own user only");
	if (q->http.idempotency_key != NULL &&
	    (strlen(q->http.idempotency_key) > 255 ||
	    *q->http.idempotency_key == '\0' ||
	    !text_is_utf8(q->http.idempotency_key,
	    strlen(q->http.idempotency_key))))
		return err_field(e, ERR_INPUT, "invalid_value",
		    "Idempotency-Key", "Idempotency-Key: must have 1 to 255 "
		    "characters");
	s->key_id = q->key.id;
	s->user_id = named != NULL ? named : q->key.user_id;
	s->recipient = input_text(q, "to");
	s->metadata = input_text(q, "metadata");
	s->sender = input_text(q, "from");
	s->chosen = s->sender != NULL && !admin;
	if (s->sender == NULL)
		s->sender = app->cfg->phone_number;
	s->request = json_object(q->m);
	return true;
}

static bool
no_sender(struct err *e)
{
	return err_field(e, ERR_INPUT, "missing_field", "from", "from is "
	    "required while TWILIO_PHONE_NUMBER is not set");
}

static const char *
callback(const struct app *app, const struct request *q, const char *path,
    const struct outbox_send *s, const char *retries)
{
	return mem_printf(q->m, "%s/api/twilio/%s?id=%s%s",
	    app->cfg->webhook_base, path, s->row, retries);
}

static bool
build_call(struct app *app, struct request *q, const struct outbox_send *s,
    struct buf *form, struct err *e)
{
	static const char *const events[] = { "initiated", "ringing",
	    "answered", "completed" };
	const struct twiml_voice voice = {
		.name = json_text(s->request, "voice"),
		.language = json_text(s->request, "language"),
	};
	struct buf *twiml = buf_new(q->m, TWIML_MAX_BYTES);

	if (!voice_message(twiml, q->m, &voice, input_text(q, "message"), e))
		return false;
	fetch_encode(form, "To", s->recipient);
	fetch_encode(form, "From", s->sender);
	if (twiml->len <= MAX_INLINE)
		fetch_encode(form, "Twiml", twiml->s);
	else
		fetch_encode(form, "Url", callback(app, q, "outbound", s,
		    TWILIO_ASK_AGAIN_LIVE));
	fetch_encode(form, "StatusCallback", callback(app, q, "status", s,
	    TWILIO_ASK_AGAIN));
	for (size_t i = 0; i < 4; i++)
		fetch_encode(form, "StatusCallbackEvent", events[i]);
	if (input_bool(q, "record")) {
		fetch_encode(form, "Record", "true");
		fetch_encode(form, "RecordingChannels", "dual");
		fetch_encode(form, "RecordingStatusCallback",
		    callback(app, q, "recording-status", s,
		    TWILIO_ASK_AGAIN));
		fetch_encode(form, "RecordingStatusCallbackEvent",
		    "in-progress completed absent");
	}
	if (input_text(q, "machineDetection") != NULL)
		fetch_encode(form, "MachineDetection",
		    input_text(q, "machineDetection"));
	if (input_text(q, "timeout") != NULL)
		fetch_encode(form, "Timeout", input_text(q, "timeout"));
	return buf_ok(form) || err_set(e, ERR_INPUT, "the call is too large");
}

bool
call_make(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	struct outbox_send	 s = { .kind = OUTBOX_CALL };
	const char		*voice = input_text(q, "voice");
	const char		*language = input_text(q, "language");

	if (!read_common(app, q, &s, e))
		return false;
	if (s.sender == NULL)
		return no_sender(e);
	json_add_text(s.request, "message", input_text(q, "message"));
	json_add_text(s.request, "voice", voice != NULL ? voice :
	    app->cfg->voice_name);
	json_add_text(s.request, "language", language != NULL ? language :
	    app->cfg->voice_language);
	json_add_bool(s.request, "record", input_bool(q, "record"));
	return deliver(app, q, r, &s, build_call, e);
}

static bool
build_text(struct app *app, struct request *q, const struct outbox_send *s,
    struct buf *form, struct err *e)
{
	const cJSON *url;

	fetch_encode(form, "To", s->recipient);
	fetch_encode(form, phone_is_sid(s->sender, "MG") ?
	    "MessagingServiceSid" : "From", s->sender);
	if (input_text(q, "messagingServiceSid") != NULL &&
	    input_text(q, "from") != NULL)
		fetch_encode(form, "From", input_text(q, "from"));
	if (s->body != NULL)
		fetch_encode(form, "Body", s->body);
	cJSON_ArrayForEach(url, input_list(q, "mediaUrl"))
		fetch_encode(form, "MediaUrl", url->valuestring);
	fetch_encode(form, "StatusCallback", callback(app, q, "status", s,
	    TWILIO_ASK_AGAIN));
	return buf_ok(form) || err_set(e, ERR_INPUT, "the text is too large");
}

bool
sms_send(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	struct outbox_send	 s = { .kind = OUTBOX_MESSAGE };
	const char		*service = input_text(q, "messagingServiceSid");

	if (!read_common(app, q, &s, e))
		return false;
	if (service == NULL && input_text(q, "from") == NULL)
		service = app->cfg->messaging_service_sid;
	if (service != NULL)
		s.sender = service;
	if (s.sender == NULL)
		return no_sender(e);
	if (input_list(q, "mediaUrl") != NULL)
		json_add(s.request, "mediaUrl", cJSON_Duplicate(
		    input_list(q, "mediaUrl"), true));
	s.body = input_text(q, "body");
	if (s.body == NULL && input_list(q, "mediaUrl") == NULL)
		return err_field(e, ERR_INPUT, "missing_field", "body",
		    "body is required");
	return deliver(app, q, r, &s, build_text, e);
}
