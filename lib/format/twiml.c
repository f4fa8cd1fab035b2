/* SPDX-License-Identifier: ISC */
/* twiml: the XML writer. */
#include "format/twiml.h"

#include <string.h>

#include "base/text.h"

#include "base/banned.h"

/* Bytes of the character at s when XML 1.0 has it (production 2), or 0. */
static size_t
xml_char(const char *s)
{
	unsigned char	c = (unsigned char)s[0];
	size_t		k = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	if (c < 0x20)
		return c == '\t' || c == '\n' || c == '\r';
	if (strnlen(s, k) < k || !text_is_utf8(s, k) ||
	    strncmp(s, "\xef\xbf\xbe", 3) == 0 ||
	    strncmp(s, "\xef\xbf\xbf", 3) == 0)
		return 0;
	return k;
}

/* The reference for a character a reader would take for markup or, like a
 * return or a tab in an attribute, for plain space; NULL for itself. */
static const char *
reference(char c, bool attribute)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&apos;";
	case '\r':
		return "&#xD;";
	case '\n':
		return attribute ? "&#xA;" : NULL;
	case '\t':
		return attribute ? "&#x9;" : NULL;
	}
	return NULL;
}

/* What stands for itself wherever it is. */
#define PLAIN	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
		"0123456789 .,:;/?!#=_-+()@%"

/* At most max_chars of s; the rest is dropped. */
static void
add_escaped(struct buf *out, const char *s, size_t max_chars, bool attribute)
{
	const char	*ref;
	size_t		 k;

	for (; *s != '\0' && max_chars > 0; s += k) {
		k = strspn(s, PLAIN);		/* most of it */
		k = k < max_chars ? k : max_chars;
		if (k != 0) {
			buf_add(out, s, k);
			max_chars -= k;
			continue;
		}
		k = xml_char(s);
		if (k == 0) {
			k = 1;
			continue;
		}
		max_chars--;
		if ((ref = reference(*s, attribute)) != NULL)
			buf_str(out, ref);
		else
			buf_add(out, s, k);
	}
}

static void
attribute(struct twiml *t, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(t->out, " %s=\"", name);
	add_escaped(t->out, value, SIZE_MAX, true);
	buf_chr(t->out, '"');
}

static void
number(struct twiml *t, const char *name, long value)
{
	buf_printf(t->out, " %s=\"%ld\"", name, value);
}

static void
verb(struct twiml *t, const char *name)
{
	/* <Response is left open for as long as it may stay empty. */
	if (!t->has_verb)
		buf_chr(t->out, '>');
	t->has_verb = true;
	buf_printf(t->out, "<%s", name);
}

static void
verb_text(struct twiml *t, const char *name, const char *text,
    size_t max_chars)
{
	buf_chr(t->out, '>');
	add_escaped(t->out, text, max_chars, false);
	buf_printf(t->out, "</%s>", name);
}

/* None, or none that a document can hold: Twilio fails on an empty verb. */
static bool
is_empty(const char *text)
{
	for (; text != NULL && *text != '\0'; text++)
		if (xml_char(text) != 0)
			return false;
	return true;
}

void
twiml_open(struct twiml *t, struct buf *out)
{
	t->out = out;
	t->has_verb = false;
	buf_reset(out);
	buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response");
}

void
twiml_say(struct twiml *t, const struct twiml_voice *voice, const char *text)
{
	const char	*name = voice == NULL ? NULL : voice->name;
	bool		 polly = name != NULL && text_starts(name, "Polly.");

	if (is_empty(text))
		return;
	verb(t, "Say");
	attribute(t, "voice", name);
	attribute(t, "language", voice == NULL ? NULL : voice->language);
	verb_text(t, "Say", text, polly ? TWIML_SAY_MAX_POLLY : TWIML_SAY_MAX);
}

void
twiml_message(struct twiml *t, const char *text)
{
	if (is_empty(text))
		return;
	verb(t, "Message");
	verb_text(t, "Message", text, TWIML_MESSAGE_MAX);
}

void
twiml_record(struct twiml *t, const struct twiml_record *r)
{
	verb(t, "Record");
	attribute(t, "action", r->action);
	attribute(t, "method", r->action == NULL ? NULL : "POST");
	number(t, "maxLength", r->max_length_s);
	number(t, "timeout", r->timeout_s);
	attribute(t, "playBeep", "true");
	attribute(t, "finishOnKey", r->finish_on_key);
	attribute(t, "recordingStatusCallback", r->status_callback);
	if (r->status_callback != NULL) {
		attribute(t, "recordingStatusCallbackMethod", "POST");
		attribute(t, "recordingStatusCallbackEvent", r->status_events);
	}
	buf_str(t->out, "/>");
}

void
twiml_hangup(struct twiml *t)
{
	verb(t, "Hangup");
	buf_str(t->out, "/>");
}

bool
twiml_close(struct twiml *t, struct err *e)
{
	buf_str(t->out, t->has_verb ? "</Response>" : "/>");
	if (!buf_ok(t->out) || t->out->len > TWIML_MAX_BYTES)
		return err_set(e, ERR_SYSTEM,
		    "TwiML: the document is over %d bytes", TWIML_MAX_BYTES);
	return true;
}
