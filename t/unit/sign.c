/* SPDX-License-Identifier: ISC */
/* sign: every vector that Twilio's helper libraries publish (node, python,
 * php, ruby, java, go), some of our own that npm twilio agrees with, and what
 * must not pass. */
#include "format/sign.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tap.h"

#define TOKEN		"12345"
#define QUERY		"/myapp.php?foo=1&bar=2"
#define U		"https://mycompany.com" QUERY
#define CALL		"CallSid", "CA1234567890ABCDE", "Caller",	      \
			"+14158675309", "Digits", "1234", "From",	      \
			"+14158675309", "To", "+18005551212"
#define REASON		"Digits", "1234", "CallSid", "CA1234567890ABCDE",     \
			"To", "+18005551212", "Caller", "+14158675309",	      \
			"From", "+14158675309", "ReasonConferenceEnded",      \
			"test", "Reason", "Participant"
#define SHA_JSON	"bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e"	      \
			"41502b283a80c7cf19632632f96e6620"
#define SHA_EMPTY	"bodySHA256=44136fa355b3678a1146ad16f7e8649e"	      \
			"94fb4fc21fe77e8310c060f61caaff8a"
#define JSON		"{\"property\": \"value\", \"boolean\": true}"
#define GOOD		"RSOYDt4T1cUTdK1PDd93/VVr8B8="
#define QUOTED		"https://mycompany.com/myapp.php?foo=1&bar=2&Body=It"

static const struct vector {
	const char		*name;
	const char		*url;
	const char		*signature;
	enum sign_result	 result;
	const char		*body;		/* when no form */
	const char		*form[20];	/* name, value, …, NULL */
} vectors[] = {
	/* URLs */
	{ "plain", U, GOOD, SIGN_EXACT, NULL, { CALL } },
	{ "https port removed", "https://mycompany.com:1234" QUERY, GOOD,
	    SIGN_NO_PORT, NULL, { CALL } },
	{ "https default port removed", "https://mycompany.com:443" QUERY,
	    GOOD, SIGN_NO_PORT, NULL, { CALL } },
	{ "http port kept", "http://mycompany.com:1234" QUERY,
	    "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", SIGN_EXACT, NULL, { CALL } },
	{ "https port added", U, "kvajT1Ptam85bY51eRf/AJRuM3w=",
	    SIGN_DEFAULT_PORT, NULL, { CALL } },
	{ "https port kept", "https://mycompany.com:443" QUERY,
	    "kvajT1Ptam85bY51eRf/AJRuM3w=", SIGN_EXACT, NULL, { CALL } },
	{ "http port added", "http://mycompany.com" QUERY,
	    "0ZXoZLH/DfblKGATFgpif+LLRf4=", SIGN_DEFAULT_PORT, NULL,
	    { CALL } },
	{ "http default port kept", "http://mycompany.com:80" QUERY,
	    "0ZXoZLH/DfblKGATFgpif+LLRf4=", SIGN_EXACT, NULL, { CALL } },
	{ "user and password", "https://user:pass@mycompany.com" QUERY,
	    "CukzLTc1tT5dXEDIHm/tKBanW10=", SIGN_EXACT, NULL, { CALL } },
	{ "user", "https://user@mycompany.com" QUERY,
	    "2YRLlVAflCqxaNicjMpJcSTgzSs=", SIGN_EXACT, NULL, { CALL } },
	{ "user and password, port added",
	    "https://user:pass@mycompany.com" QUERY,
	    "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI=", SIGN_DEFAULT_PORT, NULL,
	    { CALL } },
	{ "user, port added", "https://user@mycompany.com" QUERY,
	    "aZfj4hyX1MLZhSS6QIL18Vn2/RA=", SIGN_DEFAULT_PORT, NULL,
	    { CALL } },
	{ "quote signed escaped", QUOTED "%27s+amazing",
	    "TfZzewPq8wqrGlMfyAud8+/IvJ0=", SIGN_EXACT, NULL, { CALL } },
	{ "quote signed escaped, sent plain", QUOTED "'s+amazing",
	    "TfZzewPq8wqrGlMfyAud8+/IvJ0=", SIGN_ESCAPED, NULL, { CALL } },
	{ "quote signed plain", QUOTED "'s+amazing",
	    "dsq4Ehbj6cs+KdTkpF5sSSplOWw=", SIGN_EXACT, NULL, { CALL } },
	{ "quote signed plain, sent escaped", QUOTED "%27s+amazing",
	    "dsq4Ehbj6cs+KdTkpF5sSSplOWw=", SIGN_ESCAPED, NULL, { CALL } },
	{ "no query", "https://mycompany.com/myapp.php",
	    "1xaxFBvyzXYvWplzNOSs28HWO94=", SIGN_EXACT, NULL, { CALL } },
	{ "more query", U "&type=thiswontbeusedinthesignaturegenerator"
	    "andsoshouldbeignored", "hYkNsTBttoNGkyCS0p+wWmQoRTg=",
	    SIGN_EXACT, NULL, { CALL } },
	{ "query escaped", "https://mycompany.com/myapp.php"
	    "?foo=hello%20world&bar=test%2Bvalue",
	    "er2tvAP1Wx+iuTTE2BPgvEaN1cs=", SIGN_EXACT, NULL, { CALL } },
	{ "Unicode in the URL", "https://mycompany.com/webhook/"
	    "Espa\xc3\xb1" "a?a\xc3\xb1o=2023", "G/Hx6mqqnjUNlPAoi2Sp9bGst0g=",
	    SIGN_EXACT, NULL, { CALL } },
	{ "double slash", "https://mycompany.com:443//myapp.php?foo=1&bar=2",
	    "A9lH3u16NjyiiM/+wylw5rirFUs=", SIGN_EXACT, NULL, { CALL } },
	{ "fragment is not signed", U "#rc=3&rp=ct,rt,5xx", GOOD, SIGN_EXACT,
	    NULL, { CALL } },
	/* forms */
	{ "repeated name", U, "83O6e2vORAoJHUNzJjDWN1jz+BA=", SIGN_EXACT,
	    NULL, { "MessagingBinding.Address", "+1325xxxxxxx",
	    "MessagingBinding.Address", "+1415xxxxxxx" } },
	{ "repeated name reversed", U, "83O6e2vORAoJHUNzJjDWN1jz+BA=",
	    SIGN_EXACT, NULL, { "MessagingBinding.Address", "+1415xxxxxxx",
	    "MessagingBinding.Address", "+1325xxxxxxx" } },
	{ "repeated value counts once", U, "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
	    SIGN_EXACT, NULL, { "Sid", "CA123", "SidAccount", "AC123",
	    "Digits", "5678", "Digits", "1234", "Digits", "1234" } },
	{ "a name that starts like another", U, "vOEb5UThFn24KEfnOFLQY2AE5FY=",
	    SIGN_EXACT, NULL, { REASON } },
	{ "the same over http", "http://mycompany.com" QUERY,
	    "n2xBNyzSW7rfYStDtOFiFMv7qNo=", SIGN_EXACT, NULL, { REASON } },
	{ "signed in the wrong order", U, "95+Bu0JVPi0r/SsESZCVf0dWAjw=",
	    SIGN_BAD, NULL, { REASON } },
	{ "property, boolean", U, "NBdBDr/T/lgjI+tlgpXjKZQZs/k=", SIGN_EXACT,
	    NULL, { "property", "value", "boolean", "true" } },
	{ "empty form", U, "zYQTYrRWXE7LtzbG4PfP7/bkkGo=", SIGN_EXACT, NULL,
	    { NULL } },
	{ "special characters", U, "dCPiR4WtQ6QFN6pJh81CtlCcWLQ=", SIGN_EXACT,
	    NULL, { "Message", "Hello & goodbye! @#$%^*()", "From",
	    "+1 (415) 867-5309", "Special", "unicode: \xc3\xb1\xc3\xa1\xc3\xa9"
	    "\xc3\xad\xc3\xb3\xc3\xba" } },
	{ "empty values", U, "9HHp/OqQMEwdrVebHDdA/+tqjX8=", SIGN_EXACT, NULL,
	    { "Digits", "", "CallSid", "CA1234567890ABCDE", "EmptyParam",
	    "" } },
	{ "null values", U, "L9lTTwIlxM1xGAtLRwhOSZggRhM=", SIGN_EXACT, NULL,
	    { "Digits", "", "CallSid", "CA1234567890ABCDE", "NullParam",
	    "" } },
	{ "name order", U, "enveUe73ZTVLAekHxez3Qx6JuuQ=", SIGN_EXACT, NULL,
	    { "Zebra", "last", "Alpha", "first", "Beta", "second", "Gamma",
	    "third" } },
	{ "case of names", U, "jDK7WKT8wiNrwggd4ceTv4e1MJ4=", SIGN_EXACT,
	    NULL, { "callSid", "lowercase", "CallSid", "uppercase", "CALLSID",
	    "allcaps" } },
	{ "example of the documentation", "https://example.com" QUERY,
	    "L/OH5YylLD5NRKLltdqwSvS0BnU=", SIGN_EXACT, NULL, { "CallSid",
	    "CA1234567890ABCDE", "Caller", "+14158675310", "Digits", "1234",
	    "From", "+14158675310", "To", "+18005551212" } },
	/* JSON bodies */
	{ "body hash", U "&" SHA_JSON, "a9nBmqA0ju/hNViExpshrM61xv4=",
	    SIGN_EXACT, JSON, { NULL } },
	{ "body hash alone", "https://mycompany.com/myapp.php?" SHA_JSON,
	    "y77kIzt2vzLz71DgmJGsen2scGs=", SIGN_EXACT, JSON, { NULL } },
	{ "body hash, port added", U "&" SHA_EMPTY,
	    "Ldidvp12m26NI7eqEvxnEpkd9Hc=", SIGN_DEFAULT_PORT, "{}",
	    { NULL } },
	{ "body hash, without port", U "&" SHA_EMPTY,
	    "rw/jVviOgicj2+kHZULvebnA4ag=", SIGN_EXACT, "{}", { NULL } },
	{ "body changed", U "&" SHA_JSON, "a9nBmqA0ju/hNViExpshrM61xv4=",
	    SIGN_BAD, JSON " ", { NULL } },
	{ "body gone", U "&" SHA_JSON, "a9nBmqA0ju/hNViExpshrM61xv4=",
	    SIGN_BAD, NULL, { NULL } },
	{ "form beside a body hash", U "&" SHA_EMPTY,
	    "rw/jVviOgicj2+kHZULvebnA4ag=", SIGN_BAD, "{}", { CALL } },
	{ "body without a hash", U, "zYQTYrRWXE7LtzbG4PfP7/bkkGo=", SIGN_BAD,
	    JSON, { NULL } },
	/* our own (FACTS 5.2b, x1 to x7) */
	{ "emoji", "https://voice.example.com/api/twilio/sms",
	    "WLR/voVM/uB2UvlveR203HZe1/Y=", SIGN_EXACT, NULL, { "Body",
	    "h\xc3\xa9llo \xf0\x9f\x91\x8d \xc3\xbcn\xc3\xaf", "From",
	    "+15551230001", "To", "+15551230002" } },
	{ "percent and plus", "https://voice.example.com/api/twilio/sms"
	    "?x=%2B1", "LTFfBTdEng7viDuyZTwdbHnlUDY=", SIGN_EXACT, NULL,
	    { "Body", "50% off + tax", "From", "+1 555" } },
	{ "GET", "https://voice.example.com/api/twilio/voice"
	    "?CallSid=CA1&From=%2B15551230001", "clk63PywSdmNd733qigUxsLNhz4=",
	    SIGN_EXACT, NULL, { NULL } },
	{ "byte order of names", "https://h.example/v",
	    "0BVCr8rDBjKTzp3FYBB0z71n6JM=", SIGN_EXACT, NULL, { "a", "1", "B",
	    "2", "_c", "3", "A_b", "4", "AB", "5" } },
	{ "empty value", "https://h.example/v",
	    "YZezmVqoAYlXi5WNF7FnUvg7kek=", SIGN_EXACT, NULL, { "Empty", "",
	    "Zero", "0" } },
	{ "line ends", "https://h.example/v", "4R/ZD5RMxgJ1jWb/ySkBak6rRvY=",
	    SIGN_EXACT, NULL, { "Body", "line1\r\nline2\n" } },
	{ "digits in names", "https://h.example/v",
	    "k3xqQsISTdWLCK1s2EaQlITmpPs=", SIGN_EXACT, NULL, { "MediaUrl0",
	    "https://a/1", "MediaUrl10", "https://a/10", "MediaUrl2",
	    "https://a/2" } },
	/* what must not pass */
	{ "wrong signature", U, "WRONG_SIGNATURE", SIGN_BAD, NULL, { CALL } },
	{ "something before it", U, "NOT" GOOD, SIGN_BAD, NULL, { CALL } },
	{ "something behind it", U, GOOD "=", SIGN_BAD, NULL, { CALL } },
	{ "a line end behind it", U, GOOD "\n", SIGN_BAD, NULL, { CALL } },
	{ "no padding", U, "RSOYDt4T1cUTdK1PDd93/VVr8B8", SIGN_BAD, NULL,
	    { CALL } },
	{ "no padding but a dash", U, "RSOYDt4T1cUTdK1PDd93/VVr8B8-", SIGN_BAD,
	    NULL, { CALL } },
	{ "spare bits set", U, "RSOYDt4T1cUTdK1PDd93/VVr8B9=", SIGN_BAD, NULL,
	    { CALL } },
	{ "URL-safe digits", U, "RSOYDt4T1cUTdK1PDd93_VVr8B8=", SIGN_BAD, NULL,
	    { CALL } },
	{ "another well-formed one", U, "RSOYDt4T1cUTdK1PDd93/VVr8A8=",
	    SIGN_BAD, NULL, { CALL } },
	{ "28 other characters", U, "IncorrectSignatureValue1234=", SIGN_BAD,
	    NULL, { CALL } },
	{ "FAIL", U, "FAIL", SIGN_BAD, NULL, { CALL } },
	{ "empty header", U, "", SIGN_BAD, NULL, { CALL } },
	{ "no header", U, NULL, SIGN_BAD, NULL, { CALL } },
	{ "hash without its last digit", "https://mycompany.com/myapp.php"
	    "?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf"
	    "19632632f96e662", "y77kIzt2vzLz71DgmJGsen2scGs=", SIGN_BAD, JSON,
	    { NULL } },
	{ "query grown", U "&somethingUnexpected=true", GOOD, SIGN_BAD, NULL,
	    { CALL } },
	{ "another scheme", "http://mycompany.com" QUERY, GOOD, SIGN_BAD,
	    NULL, { CALL } },
	{ "another host", "https://mycompany.example" QUERY, GOOD, SIGN_BAD,
	    NULL, { CALL } },
	{ "slash behind the path", "https://mycompany.com/myapp.php/?foo=1"
	    "&bar=2", GOOD, SIGN_BAD, NULL, { CALL } },
	{ "path in another case", "https://mycompany.com/MyApp.php?foo=1"
	    "&bar=2", GOOD, SIGN_BAD, NULL, { CALL } },
	{ "value trimmed", "https://h.example/v",
	    "4R/ZD5RMxgJ1jWb/ySkBak6rRvY=", SIGN_BAD, NULL, { "Body",
	    "line1\r\nline2" } },
	{ "empty value dropped", "https://h.example/v",
	    "YZezmVqoAYlXi5WNF7FnUvg7kek=", SIGN_BAD, NULL, { "Zero", "0" } },
};

/* Pairs as form_parse() would leave them; NULL when there are none. */
static struct form *
form_of(struct mem *m, const char *const *list)
{
	struct form *f = mem_get(m, sizeof(*f));

	while (list[2 * f->count] != NULL)
		f->count++;
	if (f->count == 0)
		return NULL;
	f->pairs = mem_array(m, f->count, sizeof(*f->pairs));
	for (size_t i = 0; i < f->count; i++) {
		f->pairs[i].name = list[2 * i];
		f->pairs[i].name_bytes = strlen(list[2 * i]);
		f->pairs[i].value = f->pairs[i].text = list[2 * i + 1];
		f->pairs[i].value_bytes = strlen(list[2 * i + 1]);
	}
	form_seal(f, m);
	return f;
}

static void
test_vectors(struct mem *m)
{
	enum sign_result got;

	for (const struct vector *v = vectors; v < vectors + COUNT(vectors);
	    v++) {
		struct form *f = form_of(m, v->form);

		got = sign_check(v->signature, TOKEN, v->url, f, v->body,
		    v->body == NULL ? 0 : strlen(v->body));
		tap_ok(got == v->result, "%s: %d", v->name, (int)got);
		if (v->result == SIGN_EXACT)
			tap_is(sign_make(m, TOKEN, v->url, f), v->signature,
			    "%s: made", v->name);
	}
}

/* Signed over one URL, sent with another. */
static const struct {
	const char		*url_signed;
	const char		*url_sent;
	enum sign_result	 result;
} relations[] = {
#define E	"https://example.com"
	{ E ":443/path?test=param", E "/path?test=param", SIGN_DEFAULT_PORT },
	{ E "/path?test=param", E ":443/path?test=param", SIGN_NO_PORT },
	{ E "/path?test=param'WithQuote", E "/path?test=param'WithQuote",
	    SIGN_EXACT },
	{ E "/path?test=param'WithQuote", E "/path?test=param%27WithQuote",
	    SIGN_ESCAPED },
	{ E "/path?test=param%27WithQuote", E "/path?test=param'WithQuote",
	    SIGN_ESCAPED },
	{ E "/path?test=param%27WithQuote", E "/path?test=param%27WithQuote",
	    SIGN_EXACT },
	{ E "/path?test=param", E "/path?test=param2", SIGN_BAD },
	/* each of the three characters, either way, with a port besides */
	{ E "/?m=a@b.c&t=10:30", E "/?m=a%40b.c&t=10%3A30", SIGN_ESCAPED },
	{ E "/?m=a%40b.c&t=10%3A30", E "/?m=a@b.c&t=10:30", SIGN_ESCAPED },
	{ E "/?t=10:30", E "/?t=10%3a30", SIGN_ESCAPED },
	{ E "/?n=O'Hara&t=10:30", E ":443/?n=O%27Hara&t=10%3A30",
	    SIGN_ESCAPED },
	{ E "/?n=O%27Hara&m=a@b", E "/?n=O'Hara&m=a@b", SIGN_ESCAPED },
	{ E ":443/?n=O%27Hara&t=10:30", E "/?n=O'Hara&t=10:30", SIGN_ESCAPED },
	{ E "/?t=10%2530", E "/?t=10%30", SIGN_BAD },
	{ E "/?x=a%26b", E "/?x=a&b", SIGN_BAD },
	{ E "/?x=a%2Bb", E "/?x=a+b", SIGN_BAD },
	/* only in the query */
	{ E "/a'b", E "/a%27b", SIGN_BAD },
	{ E "/a:b", E "/a%3Ab", SIGN_BAD },
	/* what is a port */
	{ "https://[2001:db8::1]/v", "https://[2001:db8::1]:443/v",
	    SIGN_NO_PORT },
	{ "https://[2001:db8::1]:443/v", "https://[2001:db8::1]/v",
	    SIGN_DEFAULT_PORT },
	{ "https://u:p@[::1]:443/v", "https://u:p@[::1]/v",
	    SIGN_DEFAULT_PORT },
	{ "https://u:p@h.example/v", "https://u:p@h.example:8443/v",
	    SIGN_NO_PORT },
	{ "https://h.example:443/v", "https://h.example:8443/v", SIGN_BAD },
	{ "https://u@h.example/v", "https://h.example/v", SIGN_BAD },
	{ "HTTPS://h.example:443/v", "HTTPS://h.example/v",
	    SIGN_DEFAULT_PORT },
	{ "http://h.example:443/v", "http://h.example/v", SIGN_BAD },
	{ "https://h.example:443?a=1", "https://h.example?a=1",
	    SIGN_DEFAULT_PORT },
	{ "https://h.example/v?u=http://x:80/", "https://h.example:1/v"
	    "?u=http://x:80/", SIGN_NO_PORT },
	{ "https://h.example/@:8", "https://h.example/@", SIGN_BAD },
	/* never the fragment, on either side */
	{ E "/v#rc=3", E "/v", SIGN_EXACT },
	{ E "/v", E "/v#rc=3", SIGN_EXACT },
	{ E "/v?a=1#b?'", E "/v?a=1", SIGN_EXACT },
	/* nothing to take apart */
	{ "/path", "/path", SIGN_EXACT },
	{ "", "", SIGN_EXACT },
#undef E
};

static void
test_relations(struct mem *m)
{
	enum sign_result	 got;
	const char		*mac;

	for (size_t i = 0; i < COUNT(relations); i++) {
		mac = sign_make(m, "s3cr3t", relations[i].url_signed, NULL);
		got = sign_check(mac, "s3cr3t", relations[i].url_sent, NULL,
		    NULL, 0);
		tap_ok(got == relations[i].result, "%s for %s: %d",
		    relations[i].url_signed, relations[i].url_sent, (int)got);
	}
}

static void
test_tokens(struct mem *m)
{
	static const char *const	 call[] = { CALL, NULL };
	struct form			*f = form_of(m, call);

	tap_ok(sign_check(GOOD, "12346", U, f, NULL, 0) == SIGN_BAD,
	    "another token");
	tap_ok(sign_check(GOOD, "", U, f, NULL, 0) == SIGN_BAD &&
	    sign_check(sign_make(m, "", U, f), "", U, f, NULL, 0) == SIGN_BAD,
	    "an empty token signs nothing");
	tap_ok(sign_check(GOOD, NULL, U, f, NULL, 0) == SIGN_BAD, "no token");
	f->pairs[2].value = "1235";
	form_seal(f, m);
	tap_ok(sign_check(GOOD, TOKEN, U, f, NULL, 0) == SIGN_BAD,
	    "another value");
}

static void
test_bytes(struct mem *m)
{
	static const char	 nul[] = "a=x%00y&b=%ff", cut[] = "a=x&b=%ff";
	struct err		 e;
	struct form		*f, *g;
	const char		*mac;

	tap_ok(form_parse(&f, m, nul, strlen(nul), &e) &&
	    form_parse(&g, m, cut, strlen(cut), &e), "forms of odd bytes");
	mac = sign_make(m, TOKEN, U, f);
	tap_ok(sign_check(mac, TOKEN, U, f, nul, strlen(nul)) == SIGN_EXACT,
	    "NUL and bad UTF-8 are signed as they are");
	tap_ok(sign_check(mac, TOKEN, U, g, NULL, 0) == SIGN_BAD,
	    "a NUL does not end a value");
}

/* The URL is signed rightly, with the form if there is one; the body is {}. */
static const struct {
	const char		*name;
	const char		*query;
	const char		*form;		/* NULL: none */
	enum sign_result	 result;
} hashes[] = {
	{ "the body's hash", "?" SHA_EMPTY, NULL, SIGN_EXACT },
	{ "an empty form is no form", "?" SHA_EMPTY, "", SIGN_EXACT },
	{ "a signed form besides", "?" SHA_EMPTY, "a=1", SIGN_BAD },
	{ "two hashes, one wrong", "?" SHA_EMPTY "&" SHA_JSON, NULL,
	    SIGN_BAD },
	{ "two hashes, both right", "?" SHA_EMPTY "&x=1&" SHA_EMPTY, NULL,
	    SIGN_EXACT },
	{ "another name's end", "?x" SHA_EMPTY, NULL, SIGN_BAD },
	{ "in the path", "/" SHA_EMPTY, NULL, SIGN_BAD },
	{ "in the fragment", "#?" SHA_EMPTY, NULL, SIGN_BAD },
	{ "half a hash", "?bodySHA256=44136fa355b3678a1146ad16f7e8649e", NULL,
	    SIGN_BAD },
	{ "more than a hash", "?" SHA_EMPTY "0", NULL, SIGN_BAD },
	{ "an empty hash", "?bodySHA256=", NULL, SIGN_BAD },
	{ "no hash", "?bodySHA256", NULL, SIGN_BAD },
	{ "capitals", "?bodySHA256=44136FA355B3678A1146AD16F7E8649E"
	    "94FB4FC21FE77E8310C060F61CAAFF8A", NULL, SIGN_BAD },
};

static void
test_hashes(struct mem *m)
{
	enum sign_result	 got;
	struct err		 e;
	struct form		*f;
	const char		*url;

	for (size_t i = 0; i < COUNT(hashes); i++) {
		f = NULL;
		if (hashes[i].form != NULL && !form_parse(&f, m,
		    hashes[i].form, strlen(hashes[i].form), &e))
			continue;
		url = mem_printf(m, "https://h.example/v%s", hashes[i].query);
		got = sign_check(sign_make(m, TOKEN, url, f), TOKEN, url, f,
		    "{}", 2);
		tap_ok(got == hashes[i].result, "body hash: %s: %d",
		    hashes[i].name, (int)got);
	}
}

int
main(void)
{
	struct mem *m = mem_new();

	test_vectors(m);
	test_relations(m);
	test_tokens(m);
	test_bytes(m);
	test_hashes(m);
	mem_free(m);
	return tap_done();
}
