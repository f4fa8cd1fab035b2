/* SPDX-License-Identifier: ISC */
/* event: which form field goes into which value, as tables. Parameter names
 * are those of twilio.com/docs/voice/twiml, .../voice/api/call-resource,
 * .../voice/twiml/record, .../messaging/guides/webhook-request. A field that
 * is missing or is no number is NULL: Twilio adds and drops parameters
 * without notice, and a webhook is never refused for one. */
#include "domain/event.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"
#include "format/codes.h"
#include "format/json.h"
#include "format/phone.h"

#include "base/banned.h"

/* Seconds to wait for recordingStatusCallback before the sweep asks for the
 * media that the <Record> action has only promised. */
#define ACTION_GRACE_S	"60"

static const struct {
	const char	*path, *route;
} routes[] = {
	{ "/api/twilio/voice", "/api/twilio/voice" },
	{ "/api/twilio/sms", "/api/twilio/sms" },
	{ "/api/twilio/status", "/api/twilio/status" },
	{ "/api/twilio/recording", "/api/twilio/recording" },
	{ "/api/twilio/recording-status", "/api/twilio/recording-status" },
	{ "/api/twilio/outbound", "/api/twilio/outbound" },
	{ "/api/twilio/sms-status", "/api/twilio/status" },
	{ "/twilio/voice", "/api/twilio/voice" },
	{ "/twilio/sms", "/api/twilio/sms" },
	{ "/twilio/recording", "/api/twilio/recording" },
};

/* WORD: letters, digits, - and _. CODE: 0 is none. Twilio signs names and
 * values without anything between them, so whoever has caught a request may
 * shift their borders: "completed" becomes "completedRecordingUrlhttps:…".
 * What is no word, number or date then says nothing (FAULTS T3). */
enum how { TEXT, WORD, NUMBER, CODE, DATE, MAKE };

struct source {
	enum how	  how;
	const char	 *name, *other;	/* other: an older name, or NULL */
	const char	*(*make)(const struct event *, const struct cfg *,
			    struct mem *);
};

#define WORD_CHARS	40

static const char *
word(const char *s)
{
	size_t n = s == NULL ? 0 : text_span(s, "-_");

	return n == 0 || n > WORD_CHARS || s[n] != '\0' ? NULL : s;
}

/* Our own number's SID: Twilio does not send it (FACTS 0.13). */
static const char *
own_number_sid(const struct event *ev, const struct cfg *cfg, struct mem *m)
{
	const char *direction = form_get(ev->form, "Direction");
	const char *own = form_get(ev->form, direction != NULL &&
	    text_starts(direction, "outbound") ? "From" : "To");

	(void)m;
	return own != NULL && cfg->phone_number != NULL &&
	    strcmp(own, cfg->phone_number) == 0 ? cfg->phone_number_sid : NULL;
}

/* What is worth keeping of a call beyond its columns; the rest is in the
 * journal for JOURNAL_DAYS. */
static const char *
call_metadata(const struct event *ev, const struct cfg *cfg, struct mem *m)
{
	static const char *const kept[] = { "ForwardedFrom", "CallerName",
	    "StirVerstat", "SipResponseCode" };
	cJSON		*o = json_object(m);
	const char	*text;

	(void)cfg;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if ((text = form_some(ev->form, kept[i])) != NULL)
			json_add(o, kept[i], cJSON_CreateStringReference(text));
	return json_print(m, o);
}

static const char *
sms_direction(const struct event *ev, const struct cfg *cfg, struct mem *m)
{
	const char *direction = word(form_some(ev->form, "Direction"));

	(void)cfg, (void)m;
	return direction != NULL ? direction :
	    strcmp(ev->route, "/api/twilio/sms") == 0 ? "inbound" :
	    "outbound-api";
}

static const char *
sms_media(const struct event *ev, const struct cfg *cfg, struct mem *m)
{
	cJSON		*list = json_array(m), *item;
	const char	*url;

	(void)cfg;
	for (int i = 0; i < 10; i++) {
		url = form_some(ev->form, mem_printf(m, "MediaUrl%d", i));
		if (url == NULL)
			break;
		item = cJSON_CreateObject();
		json_add_text(item, "url", url);
		json_add_text(item, "contentType", form_get(ev->form,
		    mem_printf(m, "MediaContentType%d", i)));
		(void)cJSON_AddItemToArray(list, item);
	}
	return cJSON_GetArraySize(list) == 0 ? NULL : json_print(m, list);
}

static const char *
error_sentence(const struct event *ev, const struct cfg *cfg, struct mem *m)
{
	const char	*code = form_some(ev->form, "ErrorCode");
	long		 v;

	(void)cfg;
	if (code == NULL || !text_to_long(code, 1, 1L << 30, &v))
		return NULL;
	return codes_sentence(m, v);
}

/* STOP and START, whether Twilio recognised them or we do. */
static const char *
consent(const struct event *ev, const struct cfg *cfg, struct mem *m)
{
	const char *type = form_some(ev->form, "OptOutType");
	const char *body = form_get(ev->form, "Body");

	(void)cfg, (void)m;
	if (strcmp(ev->route, "/api/twilio/sms") != 0 ||
	    !phone_is_party(form_get(ev->form, "From")) ||
	    !phone_is_party(form_get(ev->form, "To")))
		return NULL;
	if (type != NULL)
		return type;
	switch (body == NULL ? CONSENT_NONE : phone_consent(body)) {
	case CONSENT_STOP:
		return "STOP";
	case CONSENT_START:
		return "START";
	default:
		return NULL;
	}
}

static const char *
grace(const struct event *ev, const struct cfg *cfg, struct mem *m)
{
	(void)cfg, (void)m;
	return form_some(ev->form, "RecordingStatus") == NULL &&
	    strcmp(ev->route, "/api/twilio/recording") == 0 ?
	    ACTION_GRACE_S : "0";
}

static const char *
either(const struct form *f, const char *name, const char *other)
{
	const char *v = form_some(f, name);

	return v == NULL && other != NULL ? form_some(f, other) : v;
}

static const char *
last_segment(const char *url)
{
	const char *slash = url == NULL ? NULL : strrchr(url, '/');

	return slash == NULL ? NULL : slash + 1;
}

/* The SID of a recording: its own field, or the end of its URL. */
static const char *
recording_sid(const struct form *f)
{
	const char *sid = form_some(f, "RecordingSid");

	return sid != NULL ? sid : last_segment(form_some(f, "RecordingUrl"));
}

/* A URL that does not end in the recording it is sent for is no address of
 * it, and takes nobody's place. */
static const char *
recording_url(const struct event *ev, const struct cfg *cfg, struct mem *m)
{
	const char *url = form_some(ev->form, "RecordingUrl");
	const char *end = last_segment(url);

	(void)cfg, (void)m;
	return end != NULL && strcmp(end, ev->sid) == 0 ? url : NULL;
}

/* From $11 on, in the order of sql.def. */
static const struct source call_sources[] = {
	{ TEXT, "From", "Caller", NULL }, { TEXT, "To", "Called", NULL },
	{ WORD, "Direction", NULL, NULL },
	{ WORD, "ParentCallSid", NULL, NULL },
	{ MAKE, NULL, NULL, own_number_sid },
	{ NUMBER, "SequenceNumber", NULL, NULL },
	{ NUMBER, "CallDuration", NULL, NULL },
	{ WORD, "AnsweredBy", NULL, NULL },
	{ CODE, "ErrorCode", NULL, NULL },
	{ MAKE, NULL, NULL, call_metadata },
};
static const struct source sms_sources[] = {
	{ TEXT, "From", NULL, NULL }, { TEXT, "To", NULL, NULL },
	{ TEXT, "Body", NULL, NULL }, { MAKE, NULL, NULL, sms_direction },
	{ NUMBER, "NumSegments", NULL, NULL },
	{ NUMBER, "NumMedia", NULL, NULL }, { MAKE, NULL, NULL, sms_media },
	{ WORD, "MessagingServiceSid", NULL, NULL },
	{ WORD, "OptOutType", NULL, NULL },
	{ CODE, "ErrorCode", NULL, NULL },
	{ MAKE, NULL, NULL, error_sentence },
	{ MAKE, NULL, NULL, consent },
};
static const struct source recording_sources[] = {
	{ WORD, "CallSid", NULL, NULL }, { MAKE, NULL, NULL, recording_url },
	{ NUMBER, "RecordingDuration", NULL, NULL },
	{ NUMBER, "RecordingChannels", NULL, NULL },
	{ WORD, "RecordingSource", NULL, NULL },
	{ WORD, "RecordingTrack", NULL, NULL },
	{ DATE, "RecordingStartTime", NULL, NULL },
	{ CODE, "ErrorCode", NULL, NULL }, { MAKE, NULL, NULL, grace },
};

static const struct kind {
	const struct source	*sources;
	size_t			 count;
	const char		*status[2];	/* names of the status field */
	const char		*sid, *shape;	/* its field, and phone.h's */
} kinds[] = {
	[EVENT_CALL] = { call_sources, 10, { "CallStatus" }, "CallSid", "CA" },
	[EVENT_SMS] = { sms_sources, 12, { "MessageStatus", "SmsStatus" },
	    "MessageSid", "SM|MM" },
	[EVENT_RECORDING] = { recording_sources, 9, { "RecordingStatus" },
	    "RecordingSid", "RE" },
};

const char *
event_route(const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].path, path) == 0)
			return routes[i].route;
	return NULL;
}

/* ?id=UUID behind our own callback URLs names the row that was written before
 * Twilio was asked. */
static const char *
row_of(struct mem *m, const char *uri)
{
	const char *query = strchr(uri, '?');
	const char *id = query == NULL ? NULL : strstr(query, "?id=");

	return id == NULL || strspn(id + 4, "0123456789abcdef-") < 36 ? NULL :
	    mem_dup_n(m, id + 4, 36);
}

/* <Record> may end without a recording; then the action request only tells how
 * the call stands. */
static enum event_kind
kind_of(const struct event *ev)
{
	if (strcmp(ev->route, "/api/twilio/recording-status") == 0 ||
	    (strcmp(ev->route, "/api/twilio/recording") == 0 &&
	    recording_sid(ev->form) != NULL))
		return EVENT_RECORDING;
	if (strcmp(ev->route, "/api/twilio/sms") == 0 ||
	    (strcmp(ev->route, "/api/twilio/status") == 0 &&
	    either(ev->form, "MessageSid", "SmsSid") != NULL))
		return EVENT_SMS;
	return EVENT_CALL;
}

static bool
check_sid(const char *sid, const struct kind *k, struct err *e)
{
	return (sid != NULL && phone_is_sid(sid, k->shape)) ||
	    err_field(e, ERR_INPUT, "invalid_sid", k->sid,
	    "%s is missing or is not a SID", k->sid);
}

bool
event_read(struct event *ev, struct mem *m, struct err *e)
{
	const char *call = form_some(ev->form, "CallSid");

	ev->kind = kind_of(ev);
	ev->row = row_of(m, ev->uri);
	ev->sid = ev->kind == EVENT_SMS ?
	    either(ev->form, "MessageSid", "SmsSid") :
	    ev->kind == EVENT_RECORDING ? recording_sid(ev->form) : call;
	return check_sid(ev->sid, &kinds[ev->kind], e) &&
	    (ev->kind != EVENT_RECORDING ||
	    check_sid(call, &kinds[EVENT_CALL], e));
}

/* The first half of a hash is the event's key, the second may be its row's. */
#define DEDUPE_BYTES	16
#define UUID_BYTES	16

/* What Twilio signed is what the event is: its pairs in any order, with no
 * border between a name and its value that could be moved to make a caught
 * request look new (FAULTS T3). Twilio's retries repeat it, and an alias is no
 * other event than its route. */
static struct db_value
dedupe(const struct event *ev, struct mem *m)
{
	const char			 part = (char)ev->kind;
	const struct digest_piece	 pieces[] = {
		{ ev->route, strlen(ev->route) + 1 },
		{ &part, 1 },
		{ ev->form->signed_part, ev->form->signed_bytes },
	};
	unsigned char	*md = mem_get(m, DIGEST_SHA256_BYTES);

	digest_sha256(md, pieces, sizeof(pieces) / sizeof(pieces[0]));
	return db_bytes(md, DEDUPE_BYTES);
}

static struct db_value
source_value(const struct source *s, const struct event *ev,
    const struct cfg *cfg, struct mem *m)
{
	const char	*text;
	long		 v;
	time_t		 when;

	if (s->how == MAKE)
		return db_text(s->make(ev, cfg, m));
	text = s->how == TEXT && s->other == NULL ?
	    form_get(ev->form, s->name) : either(ev->form, s->name, s->other);
	if (text == NULL || s->how == TEXT)
		return db_text(text);
	if (s->how == WORD)
		return db_text(word(text));
	if (s->how == NUMBER || s->how == CODE)
		return db_text(text_to_long(text, s->how == CODE, 1L << 30,
		    &v) ? text : NULL);
	if ((when = curl_getdate(text, NULL)) == (time_t)-1)
		return db_text(NULL);
	return db_text(clock_rfc3339(m, when));
}

void
event_values(const struct event *ev, const struct cfg *cfg, struct mem *m,
    struct db_value values[EVENT_MAX_VALUES])
{
	const struct kind	*k = &kinds[ev->kind];
	struct db_value		*v = values;

	*v++ = dedupe(ev, m);
	*v++ = db_text(ev->route);
	*v++ = db_text(ev->uri);
	*v++ = db_text(form_some(ev->form, "AccountSid"));
	*v++ = db_text(ev->sid);
	*v++ = db_text(word(either(ev->form, k->status[0], k->status[1])));
	*v++ = db_bytes(ev->body, ev->body_bytes);
	*v++ = db_text(ev->source);
	*v++ = db_bool(ev->verified);
	*v++ = db_text(ev->received_at);
	for (size_t i = 0; i < k->count; i++)
		*v++ = source_value(&k->sources[i], ev, cfg, m);
}

bool
event_is_consent(const struct event *ev)
{
	const char *code = form_some(ev->form, "ErrorCode");

	return consent(ev, NULL, NULL) != NULL ||
	    (code != NULL && strcmp(code, "21610") == 0);
}

/* Of the time and of the half of the hash that is not the key; see dedupe(). */
static struct db_value
row_id(const struct db_value *dedupe, struct mem *m)
{
	const unsigned long	 now = (unsigned long)clock_unix_ms();
	unsigned char		*id = mem_get(m, UUID_BYTES);

	memcpy(id, dedupe->p + DEDUPE_BYTES, UUID_BYTES);
	for (size_t i = 0; i < 6; i++)
		id[i] = (unsigned char)(now >> (8 * (5 - i)));
	id[6] = (unsigned char)((id[6] & 0x0f) | 0x70);
	id[8] = (unsigned char)((id[8] & 0x3f) | 0x80);
	return db_bytes(id, UUID_BYTES);
}

/* What tells of a parent ($14), or of how a call went ($16 to $19), may tell of
 * one that has been heard of. */
static bool
opens(const struct event *ev, const struct db_value *values)
{
	if (strcmp(ev->source, "http") != 0)
		return false;
	if (strcmp(ev->route, "/api/twilio/sms") == 0)
		return !event_is_consent(ev);
	for (size_t i = 13; i < 19; i++)
		if (i != 14 && values[i].p != NULL)
			return false;
	return strcmp(ev->route, "/api/twilio/voice") == 0;
}

bool
event_first(const struct event *ev, struct mem *m,
    const struct db_value values[EVENT_MAX_VALUES],
    struct db_value first[EVENT_MAX_VALUES])
{
	if (!opens(ev, values))
		return false;
	/* Some take the place of what is not needed; see FIRST. */
	memcpy(first, values, EVENT_MAX_VALUES * sizeof(*first));
	first[7] = row_id(&values[0], m);
	first[9] = values[ev->kind == EVENT_CALL ? 19 : 20];
	if (ev->kind == EVENT_CALL)
		first[13] = values[14];
	return true;
}

bool
event_recording_of(const struct event *call, struct event *recording)
{
	const char *sid = form_some(call->form, "RecordingSid");

	if (call->kind != EVENT_CALL || sid == NULL ||
	    !phone_is_sid(sid, "RE"))
		return false;
	*recording = *call;
	recording->kind = EVENT_RECORDING;
	recording->sid = sid;
	return true;
}
