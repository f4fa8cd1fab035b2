/* SPDX-License-Identifier: ISC */
/* Fuzzer of the TwiML writer: input is voice LF language LF action LF texts
 * between form feeds. Whatever they hold, the document is well-formed XML of
 * the verbs that were written and of no other, and says what it was given. */
#include "fuzz.h"

#include "base/text.h"
#include "format/twiml.h"

#define HEAD	"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response"

/* --- a reader of another make, for what XML lets us write ----------------- */

static const struct { const char *name; char c; } references[] = {
	{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' },
	{ "&apos;", '\'' }, { "&#xD;", '\r' }, { "&#xA;", '\n' },
	{ "&#x9;", '\t' },
};

static bool
is_xml_char(unsigned c)
{
	return c == 9 || c == 10 || c == 13 || (c >= 0x20 && c < 0xfffe &&
	    (c < 0xd800 || c > 0xdfff)) || (c >= 0x10000 && c <= 0x10ffff);
}

/* Up to one of the characters in ends, decoded; *p stands there then. */
static char *
read_until(struct mem *m, const char **p, const char *ends)
{
	struct buf	*out = buf_new(m, SIZE_MAX / 4);
	const char	*from;
	unsigned	 c;
	size_t		 k;

	for (; strchr(ends, **p) == NULL; *p += k) {
		from = *p;
		must(*from != '\0' && *from != '<' && *from != '>');
		for (k = 0; *from == '&' && k < 8; k++)
			if (text_starts(from, references[k].name))
				break;
		if (*from == '&') {
			must(k < 8);
			buf_chr(out, references[k].c);
			k = strlen(references[k].name);
			continue;
		}
		c = (unsigned char)*from;
		k = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		must(text_is_utf8(from, k));
		if (k > 1) {
			c &= 0x7fU >> k;
			for (size_t i = 1; i < k; i++)
				c = c << 6 | (from[i] & 0x3f);
		}
		must(is_xml_char(c) && c != '\r');
		buf_add(out, from, k);
	}
	must(**p != '\0');
	return out->s;
}

/* What of a text is left when it is in a document. */
static char *
cleaned(struct mem *m, const char *s, size_t max_chars)
{
	struct buf	*out = buf_new(m, SIZE_MAX / 4);
	size_t		 k;

	for (; *s != '\0' && max_chars > 0; s += k) {
		for (k = 1; k < 4; k++)
			if (strlen(s) >= k && text_is_utf8(s, k))
				break;
		if (strlen(s) < k || !text_is_utf8(s, k) ||
		    (k == 1 && !is_xml_char((unsigned char)*s)) ||
		    text_starts(s, "\xef\xbf\xbe") ||
		    text_starts(s, "\xef\xbf\xbf")) {
			k = 1;
			continue;
		}
		buf_add(out, s, k);
		max_chars--;
	}
	return out->s;
}

static bool
take(const char **p, const char *text)
{
	if (!text_starts(*p, text))
		return false;
	*p += strlen(text);
	return true;
}

static void
must_have(struct mem *m, const char **p, const char *name, const char *value)
{
	if (value == NULL)
		return;
	must(take(p, mem_printf(m, " %s=\"", name)));
	must(strcmp(read_until(m, p, "\""), cleaned(m, value, SIZE_MAX)) == 0);
	must(take(p, "\""));
}

/* --- one document --------------------------------------------------------- */

static void
check_text(struct mem *m, const char **p, const char *verb, const char *text,
    size_t max_chars)
{
	must(take(p, ">"));
	must(strcmp(read_until(m, p, "<"), cleaned(m, text, max_chars)) == 0);
	must(take(p, mem_printf(m, "</%s>", verb)));
}

static void
check(struct mem *m, const char *s, const struct twiml_voice *v,
    const struct twiml_record *r, char *const *texts, size_t count)
{
	const char	*p = s;
	size_t		 most = text_starts(v->name, "Polly.") ?
			    TWIML_SAY_MAX_POLLY : TWIML_SAY_MAX;

	must(take(&p, HEAD ">"));
	for (size_t i = 0; i < count; i++) {
		if (*cleaned(m, texts[i], SIZE_MAX) == '\0')
			continue;	/* Twilio fails on an empty verb */
		must(take(&p, i % 2 == 0 ? "<Say" : "<Message"));
		if (i % 2 == 0) {
			must_have(m, &p, "voice", v->name);
			must_have(m, &p, "language", v->language);
		}
		check_text(m, &p, i % 2 == 0 ? "Say" : "Message", texts[i],
		    i % 2 == 0 ? most : TWIML_MESSAGE_MAX);
	}
	must(take(&p, "<Record"));
	must_have(m, &p, "action", r->action);
	must(take(&p, " method=\"POST\" maxLength=\"60\" timeout=\"5\""
	    " playBeep=\"true\""));
	must_have(m, &p, "finishOnKey", r->finish_on_key);
	must(take(&p, "/><Hangup/></Response>") && *p == '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct rest		 r = { (const char *)bytes, n };
	struct mem		*m = mem_new();
	struct buf		*out = buf_new(m, SIZE_MAX / 4);
	struct twiml_voice	 v = { rest_line(m, &r), rest_line(m, &r) };
	struct twiml_record	 record = { .max_length_s = 60, .timeout_s = 5,
				    .action = rest_line(m, &r),
				    .finish_on_key = v.language };
	char			*texts[4], *p = mem_dup_n(m, r.s, r.n);
	struct twiml		 t;
	struct err		 e;
	size_t			 count = 0;

	while (count < 4) {
		texts[count++] = p;
		p += strcspn(p, "\f");
		if (*p == '\0')
			break;
		*p++ = '\0';
	}
	twiml_open(&t, out);
	for (size_t i = 0; i < count; i++) {
		if (i % 2 == 0)
			twiml_say(&t, &v, texts[i]);
		else
			twiml_message(&t, texts[i]);
	}
	twiml_record(&t, &record);
	twiml_hangup(&t);
	if (twiml_close(&t, &e))
		must(out->len <= TWIML_MAX_BYTES);
	else
		must(out->len > TWIML_MAX_BYTES && e.kind == ERR_SYSTEM);
	check(m, out->s, &v, &record, texts, count);
	mem_free(m);
	return 0;
}
