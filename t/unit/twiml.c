/* SPDX-License-Identifier: ISC */
/* twiml: the documents Twilio's own npm package writes for the same verbs
 * (but for ' and " in text, which it leaves as they are: the same XML), and
 * nothing a stranger's text can break out of. */
#include "format/twiml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tap.h"

#define XML	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
#define CAP	(256 * 1024)

static const struct twiml_voice joanna = { "Polly.Joanna", "en-US" };

static void
test_call(struct buf *b)
{
	static const struct twiml_record record = {
		.action = "https://h.example/api/twilio/recording"
		    "?a=1&b='2'#rc=3",
		.status_callback = "https://h.example/s",
		.status_events = "in-progress completed absent",
		.max_length_s = 3600,
		.timeout_s = 10,
		.finish_on_key = "#",
	};
	struct twiml	t;
	struct err	e;

	twiml_open(&t, b);
	twiml_say(&t, &joanna,
	    "H\xc3\xa9llo & \"good\" <bye> it's \xf0\x9f\x91\x8d\r\nx\ty");
	twiml_record(&t, &record);
	twiml_hangup(&t);
	tap_ok(twiml_close(&t, &e), "a call closes");
	tap_is(b->s, XML "<Response><Say voice=\"Polly.Joanna\""
	    " language=\"en-US\">H\xc3\xa9llo &amp; &quot;good&quot;"
	    " &lt;bye&gt; it&apos;s \xf0\x9f\x91\x8d&#xD;\nx\ty</Say>"
	    "<Record action=\"https://h.example/api/twilio/recording?a=1&amp;"
	    "b=&apos;2&apos;#rc=3\" method=\"POST\" maxLength=\"3600\""
	    " timeout=\"10\" playBeep=\"true\" finishOnKey=\"#\""
	    " recordingStatusCallback=\"https://h.example/s\""
	    " recordingStatusCallbackMethod=\"POST\""
	    " recordingStatusCallbackEvent=\"in-progress completed absent\"/>"
	    "<Hangup/></Response>", "a call, as npm twilio writes it");
}

static void
test_absent(struct buf *b)
{
	static const struct twiml_record bare = {
		.max_length_s = 1, .timeout_s = 0, .finish_on_key = "",
		.status_events = "completed",
	};
	static const struct twiml_voice	odd = { "a\tb\nc\rd\"'<>&", NULL };
	struct twiml	t;
	struct err	e;

	twiml_open(&t, b);
	tap_ok(twiml_close(&t, &e), "an empty document closes");
	tap_is(b->s, XML "<Response/>", "an empty document");

	twiml_open(&t, b);
	twiml_say(&t, &joanna, "");
	twiml_say(&t, &joanna, NULL);
	twiml_message(&t, "");
	twiml_message(&t, NULL);
	twiml_say(&t, &joanna, "\x01\xff\xef\xbf\xbe");
	twiml_message(&t, "\x01\xe2\x82");
	tap_ok(twiml_close(&t, &e), "no text closes");
	tap_is(b->s, XML "<Response/>", "no text, no verb");

	twiml_open(&t, b);
	twiml_say(&t, NULL, "Hi");
	twiml_message(&t, "Thanks <3 & bye");
	twiml_record(&t, &bare);
	tap_ok(twiml_close(&t, &e), "no attributes closes");
	tap_is(b->s, XML "<Response><Say>Hi</Say>"
	    "<Message>Thanks &lt;3 &amp; bye</Message>"
	    "<Record maxLength=\"1\" timeout=\"0\" playBeep=\"true\""
	    " finishOnKey=\"\"/></Response>", "absent attributes stay away");

	twiml_open(&t, b);
	twiml_say(&t, &odd, "x");
	tap_ok(twiml_close(&t, &e), "an odd voice closes");
	tap_is(b->s, XML "<Response><Say voice=\"a&#x9;b&#xA;c&#xD;d&quot;"
	    "&apos;&lt;&gt;&amp;\">x</Say></Response>",
	    "space in an attribute survives the reader");
}

static const struct {
	const char	*name;
	const char	*text;
	const char	*written;
} texts[] = {
	{ "markup",	"</Say><Dial>+1</Dial>",
	    "&lt;/Say&gt;&lt;Dial&gt;+1&lt;/Dial&gt;" },
	{ "a reference", "&#60;&lt;", "&amp;#60;&amp;lt;" },
	{ "CDATA's end", "]]>", "]]&gt;" },
	{ "controls",	"a\x01\x08\x0b\x0c\x0e\x1f\x1b" "b", "ab" },
	{ "DEL and C1",	"\x7f\xc2\x80", "\x7f\xc2\x80" },
	{ "U+FFFE, U+FFFF", "a\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd" "b",
	    "a\xef\xbf\xbd" "b" },
	{ "a surrogate", "a\xed\xa0\x80z", "az" },
	{ "overlong <",	"\xc0\xbcScript", "Script" },
	{ "bad bytes",	"\xff\x80x\xe2\x82", "x" },
	{ "a cut character", "x\xf0\x9f\x91", "x" },
};

static void
test_escapes(struct mem *m, struct buf *b)
{
	struct twiml	t;
	struct err	e;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		twiml_open(&t, b);
		twiml_message(&t, texts[i].text);
		tap_ok(twiml_close(&t, &e), "%s closes", texts[i].name);
		tap_is(b->s, mem_printf(m, XML "<Response><Message>%s"
		    "</Message></Response>", texts[i].written), "%s",
		    texts[i].name);
	}
}

/* Characters of the only verb's text; every one is "é" of two bytes. */
static size_t
kept(struct mem *m, struct buf *b, const char *voice, bool message,
    size_t chars)
{
	struct twiml_voice	 v = { voice, NULL };
	struct buf		*text = buf_new(m, CAP);
	struct twiml		 t;
	struct err		 e;
	const char		*from, *to;

	while (chars-- > 0)
		buf_str(text, "\xc3\xa9");
	twiml_open(&t, b);
	if (message)
		twiml_message(&t, text->s);
	else
		twiml_say(&t, &v, text->s);
	if (!twiml_close(&t, &e))
		return 0;
	from = strchr(b->s, (char)0xc3);
	to = strstr(b->s, message ? "</Message>" : "</Say>");
	return from == NULL || to == NULL ? 0 : (size_t)(to - from) / 2;
}

static void
test_lengths(struct mem *m, struct buf *b)
{
	struct buf	*small = buf_new(m, 60);
	struct twiml	 t;
	struct err	 e;

	tap_ok(kept(m, b, "alice", false, 4096) == 4096, "Say 4096 characters");
	tap_ok(kept(m, b, "alice", false, 4097) == 4096, "Say cuts at 4096");
	tap_ok(kept(m, b, NULL, false, 9999) == 4096, "also without a voice");
	tap_ok(kept(m, b, "Polly.Amy", false, 3000) == 3000, "Polly says 3000");
	tap_ok(kept(m, b, "Polly.Amy-Neural", false, 3001) == 3000,
	    "Polly cuts at 3000");
	tap_ok(kept(m, b, NULL, true, 1600) == 1600, "Message of 1600");
	tap_ok(kept(m, b, NULL, true, 1601) == 1600, "Message cuts at 1600");

	twiml_open(&t, b);
	for (int i = 0; i < 20; i++)
		twiml_say(&t, NULL, mem_printf(m, "%4000d", 1));
	err_clear(&e);
	tap_ok(!twiml_close(&t, &e) && e.kind == ERR_SYSTEM,
	    "over 64 kB is an error, not a dead call: %s", e.text);

	twiml_open(&t, small);
	twiml_say(&t, NULL, "more than the buffer takes");
	tap_ok(!twiml_close(&t, &e), "a full buffer is an error");
	twiml_open(&t, small);
	tap_ok(twiml_close(&t, &e), "and is forgotten at the next opening");
	tap_is(small->s, XML "<Response/>", "which starts afresh");
}

/* Reads one text back as an XML reader would; false where it would balk. */
static bool
unescape(const char *s, size_t n, struct buf *out)
{
	static const char *const refs[][2] = {
		{ "&amp;", "&" }, { "&lt;", "<" }, { "&gt;", ">" },
		{ "&quot;", "\"" }, { "&apos;", "'" }, { "&#xD;", "\r" },
	};
	size_t k;

	for (size_t i = 0; i < n; ) {
		if (strchr("<>\"'\r", s[i]) != NULL)
			return false;
		if (s[i] != '&') {
			buf_chr(out, s[i++]);
			continue;
		}
		for (k = 0; k < sizeof(refs) / sizeof(refs[0]); k++)
			if (strncmp(s + i, refs[k][0], strlen(refs[k][0])) == 0)
				break;
		if (k == sizeof(refs) / sizeof(refs[0]))
			return false;
		buf_str(out, refs[k][1]);
		i += strlen(refs[k][0]);
	}
	return text_is_utf8(out->s, out->len);
}

/* FAULTS T10: whatever the text, the tree stays and the text comes back. */
static void
test_strangers(struct buf *b)
{
	static const char head[] = XML "<Response><Message>";
	static const char tail[] = "</Message></Response>";
	static const char *const bits[] = {
		"<", ">", "&", "\"", "'", "]]>", "<!--", "\r", "\n", "a", "\t",
		"\xc3\xa9", "\xf0\x9f\x91\x8d", "&#1;", "</Message>", "\xff",
		"\x01", "\xed\xa0\x80", "\xc3", "\xef\xbf\xbf",
	};
	const size_t	 clean = 15;	/* of these, XML takes so many */
	unsigned long	 seed = 1;
	int		 wrong = 0;

	for (int round = 0; round < 20000; round++) {
		struct mem	*m = mem_new();
		struct buf	*sent = buf_new(m, CAP);
		struct buf	*want = buf_new(m, CAP);
		struct buf	*back = buf_new(m, CAP);
		struct twiml	 t;
		struct err	 e;
		size_t		 k, n;

		for (int i = 0; i < 12; i++) {
			seed = seed * 6364136223846793005UL + 1;
			k = (seed >> 33) % (sizeof(bits) / sizeof(bits[0]));
			/* Behind a lone lead byte, so that it stays alone. */
			buf_str(sent, bits[k]);
			buf_chr(sent, '.');
			buf_str(want, k < clean ? bits[k] : "");
			buf_chr(want, '.');
		}
		twiml_open(&t, b);
		twiml_message(&t, sent->s);
		if (!twiml_close(&t, &e) || !text_starts(b->s, head) ||
		    !text_ends(b->s, tail)) {
			wrong++;
		} else {
			n = b->len - strlen(head) - strlen(tail);
			if (!unescape(b->s + strlen(head), n, back) ||
			    strcmp(back->s, want->s) != 0)
				wrong++;
		}
		mem_free(m);
	}
	tap_ok(wrong == 0, "20000 strange texts come back whole (%d do not)",
	    wrong);
}

int
main(void)
{
	struct mem	*m = mem_new();
	struct buf	*b = buf_new(m, CAP);

	test_call(b);
	test_absent(b);
	test_escapes(m, b);
	test_lengths(m, b);
	test_strangers(b);
	mem_free(m);
	return tap_done();
}
