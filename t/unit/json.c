/* SPDX-License-Identifier: ISC */
/* json: one test per quirk of cJSON that the door must stop, and what must
 * still come through. */
#include "format/json.h"

#include <string.h>

#include "tap.h"

static const struct {
	const char	*name;
	const char	*s;
	size_t		 n;
	const char	*why;		/* all of the error's text */
} refused[] = {
	{ "nothing", BYTES(""), "JSON: unexpected end at byte 0" },
	{ "space only", BYTES(" \n"), "JSON: unexpected end at byte 2" },
	{ "byte order mark", BYTES("\xef\xbb\xbf{}"),
	    "JSON: byte order mark at byte 0" },
	{ "trailing garbage", BYTES("{} x"),
	    "JSON: something after the value at byte 3" },
	{ "two values", BYTES("{}{}"),
	    "JSON: something after the value at byte 2" },
	{ "trailing NUL", BYTES("{}\0"),
	    "JSON: something after the value at byte 2" },
	{ "NUL for space", BYTES("{\0}"),
	    "JSON: expected a name in quotes at byte 1" },
	{ "vertical tab for space", BYTES("\v{}"),
	    "JSON: unexpected character at byte 0" },
	{ "raw NUL in a string", BYTES("[\"a\0b\"]"),
	    "JSON: control character in a string at byte 3" },
	{ "raw control character", BYTES("[\"a\x1f\"]"),
	    "JSON: control character in a string at byte 3" },
	{ "raw line end", BYTES("[\"a\n\"]"),
	    "JSON: control character in a string at byte 3" },
	{ "raw control character in a name", BYTES("{\"a\tb\":1}"),
	    "JSON: control character in a string at byte 3" },
	{ "\\u0000", BYTES("[\"a\\u0000b\"]"), "JSON: \\u0000 at byte 3" },
	{ "\\u0000 in a name", BYTES("{\"a\\u0000b\":1}"),
	    "JSON: \\u0000 at byte 3" },
	{ "lone high surrogate", BYTES("[\"\\ud83d\"]"),
	    "JSON: lone surrogate at byte 2" },
	{ "lone low surrogate", BYTES("[\"\\udc4d\"]"),
	    "JSON: lone surrogate at byte 2" },
	{ "surrogates reversed", BYTES("[\"\\udc4d\\ud83d\"]"),
	    "JSON: lone surrogate at byte 2" },
	{ "two low surrogates", BYTES("[\"\\udc4d\\udc4d\"]"),
	    "JSON: lone surrogate at byte 2" },
	{ "two high surrogates", BYTES("[\"\\ud83d\\ud83d\"]"),
	    "JSON: lone surrogate at byte 2" },
	{ "surrogate and U+E000", BYTES("[\"\\ud83d\\ue000\"]"),
	    "JSON: lone surrogate at byte 2" },
	{ "surrogate and a letter", BYTES("[\"\\ud83dx\"]"),
	    "JSON: lone surrogate at byte 2" },
	{ "surrogate and an escape", BYTES("[\"\\ud83d\\n\"]"),
	    "JSON: lone surrogate at byte 2" },
	{ "surrogate and a character", BYTES("[\"\\ud83d\\u0041\"]"),
	    "JSON: lone surrogate at byte 2" },
	{ "short \\u", BYTES("[\"\\u12\"]"), "JSON: bad \\u escape at byte 2" },
	{ "signed \\u", BYTES("[\"\\u+123\"]"),
	    "JSON: bad \\u escape at byte 2" },
	{ "\\u at the end", BYTES("\"\\u1"), "JSON: bad \\u escape at byte 1" },
	{ "unknown escape", BYTES("[\"\\x41\"]"),
	    "JSON: unknown escape at byte 2" },
	{ "escaped NUL", BYTES("[\"\\\0\"]"),
	    "JSON: unknown escape at byte 2" },
	{ "escape at the end", BYTES("\"\\"),
	    "JSON: unknown escape at byte 1" },
	{ "string not closed", BYTES("[\"abc"),
	    "JSON: string without an end at byte 1" },
	{ "bad UTF-8", BYTES("[\"\xff\"]"), "JSON: invalid UTF-8 at byte 2" },
	{ "overlong UTF-8", BYTES("[\"\xc0\x80\"]"),
	    "JSON: invalid UTF-8 at byte 2" },
	{ "UTF-8 surrogate", BYTES("[\"ab\xed\xa0\x80\"]"),
	    "JSON: invalid UTF-8 at byte 4" },
	{ "UTF-8 cut by the quote", BYTES("[\"\xe2\x82\"]"),
	    "JSON: invalid UTF-8 at byte 2" },
	{ "UTF-8 cut by the end", BYTES("\"\xf0\x9f"),
	    "JSON: invalid UTF-8 at byte 1" },
	{ "letters outside a string", BYTES("[\xc3\xa9]"),
	    "JSON: unexpected character at byte 1" },
	{ "leading zero", BYTES("[007]"),
	    "JSON: number with a leading zero at byte 1" },
	{ "leading zero, negative", BYTES("[-01]"),
	    "JSON: number with a leading zero at byte 1" },
	{ "leading plus", BYTES("[+1]"),
	    "JSON: unexpected character at byte 1" },
	{ "minus alone", BYTES("[-]"), "JSON: unexpected character at byte 2" },
	{ "no digit before the point", BYTES("[.5]"),
	    "JSON: unexpected character at byte 1" },
	{ "no digit behind the point", BYTES("[1.]"),
	    "JSON: number without a digit after '.' at byte 3" },
	{ "no exponent", BYTES("[1e+]"),
	    "JSON: exponent without a digit at byte 4" },
	{ "hexadecimal", BYTES("[0x10]"),
	    "JSON: expected ',' or the end of the list at byte 2" },
	{ "beyond double", BYTES("[1e400]"),
	    "JSON: number too large at byte 1" },
	{ "beyond double, negative", BYTES("[-1e400]"),
	    "JSON: number too large at byte 1" },
	{ "33 characters", BYTES("[111111111111111111111111111111111]"),
	    "JSON: number of over 32 characters at byte 1" },
	{ "NaN", BYTES("[NaN]"), "JSON: unexpected character at byte 1" },
	{ "Infinity", BYTES("[Infinity]"),
	    "JSON: unexpected character at byte 1" },
	{ "words in capitals", BYTES("[True]"),
	    "JSON: unexpected character at byte 1" },
	{ "another word", BYTES("[trust]"),
	    "JSON: unexpected character at byte 1" },
	{ "half a word", BYTES("tru"), "JSON: unexpected character at byte 0" },
	{ "a word and more", BYTES("[nullx]"),
	    "JSON: expected ',' or the end of the list at byte 5" },
	{ "duplicate name", BYTES("{\"a\":1,\"b\":2,\"a\":3}"),
	    "JSON: duplicate name at byte 13" },
	{ "duplicate name, escaped", BYTES("{\"a\":1,\"\\u0061\":2}"),
	    "JSON: duplicate name at byte 7" },
	{ "duplicate name, nested", BYTES("[{\"x\":{\"\":1,\"\":2}}]"),
	    "JSON: duplicate name at byte 12" },
	{ "trailing comma", BYTES("[1,]"),
	    "JSON: unexpected character at byte 3" },
	{ "trailing comma, object", BYTES("{\"a\":1,}"),
	    "JSON: expected a name in quotes at byte 7" },
	{ "missing comma", BYTES("[1 2]"),
	    "JSON: expected ',' or the end of the list at byte 3" },
	{ "missing colon", BYTES("{\"a\" 1}"), "JSON: expected ':' at byte 5" },
	{ "missing value", BYTES("{\"a\":}"),
	    "JSON: unexpected character at byte 5" },
	{ "name without quotes", BYTES("{a:1}"),
	    "JSON: expected a name in quotes at byte 1" },
	{ "single quotes", BYTES("['a']"),
	    "JSON: unexpected character at byte 1" },
	{ "comment", BYTES("[1/*x*/]"),
	    "JSON: expected ',' or the end of the list at byte 2" },
	{ "wrong bracket", BYTES("[1}"),
	    "JSON: expected ',' or the end of the list at byte 2" },
	{ "not closed", BYTES("[[1]"),
	    "JSON: expected ',' or the end of the list at byte 4" },
	{ "array of nothing", BYTES("["), "JSON: unexpected end at byte 1" },
	{ "17 deep", BYTES("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"),
	    "JSON: nested too deep at byte 16" },
	{ "17 deep, mixed", BYTES("{\"a\":[{\"a\":[{\"a\":[{\"a\":[{\"a\":["
	    "{\"a\":[{\"a\":[{\"a\":[{}]}]}]}]}]}]}]}]}"),
	    "JSON: nested too deep at byte 48" },
};

static const struct {
	const char	*s;
	const char	*printed;	/* NULL: as it came */
} accepted[] = {
	{ "{}", NULL },
	{ "[]", NULL },
	{ "null", NULL },
	{ "\"\"", NULL },
	{ " \t\r\n{ \"a\" : [ 1 , true , false , null ] } \n",
	    "{\"a\":[1,true,false,null]}" },
	{ "[0,-0.5,1e3,1E-2,1e+2,10,-1]", "[0,-0.5,1000,0.01,100,10,-1]" },
	{ "[1e308,1e-400]", "[1e+308,0]" },
	{ "[11111111111111111111111111111111]", "[1.1111111111111112e+31]" },
	{ "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
	    "[\"\\\"\\\\/\\b\\f\\n\\r\\t\"]" },
	{ "[\"\\ue000\\uffff\"]", "[\"\xee\x80\x80\xef\xbf\xbf\"]" },
	{ "[\"\\u00e9\\ud83d\\uDC4D\\u0041\"]",
	    "[\"\xc3\xa9\xf0\x9f\x91\x8d" "A\"]" },
	{ "[\"\xc3\xa9\xf0\x9f\x91\x8d\x7f\"]", NULL },
	{ "[\"\\\\u0000\"]", NULL },
	{ "{\"a\":1,\"A\":2,\"\":3}", NULL },
	{ "[{\"a\":1},{\"a\":1}]", NULL },
	{ "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", NULL },
	{ "[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]", NULL },
};

static void
test_door(struct mem *m)
{
	struct err	 e;
	cJSON		*j;
	char		*copy;

	for (size_t i = 0; i < COUNT(refused); i++) {
		/* An exact copy: a byte read too many is seen. */
		copy = mem_get(m, refused[i].n);
		memcpy(copy, refused[i].s, refused[i].n);
		err_clear(&e);
		tap_ok(!json_parse(&j, m, copy, refused[i].n, &e) &&
		    e.kind == ERR_INPUT, "%s: refused", refused[i].name);
		tap_is(e.text, refused[i].why, "%s: why", refused[i].name);
		tap_ok(!json_parse_trusted(&j, m, copy, refused[i].n, &e),
		    "%s: refused from a server as well", refused[i].name);
	}
	for (size_t i = 0; i < COUNT(accepted); i++) {
		copy = mem_get(m, strlen(accepted[i].s));
		memcpy(copy, accepted[i].s, strlen(accepted[i].s));
		if (tap_ok(json_parse(&j, m, copy, strlen(accepted[i].s), &e),
		    "%s: accepted", accepted[i].s))
			tap_is(json_print(m, j), accepted[i].printed == NULL ?
			    accepted[i].s : accepted[i].printed,
			    "%s: understood", accepted[i].s);
	}
}

/* An object or array of so many members. */
static const char *
wide(struct mem *m, bool object, int members)
{
	struct buf *b = buf_new(m, 10 << 20);

	buf_chr(b, object ? '{' : '[');
	for (int i = 0; i < members; i++)
		buf_printf(b, object ? "%s\"n%d\":1" : "%s%d",
		    i == 0 ? "" : ",", i);
	buf_chr(b, object ? '}' : ']');
	return b->s;
}

static void
test_width(struct mem *m)
{
	struct err	 e;
	cJSON		*j;
	const char	*s;

	for (int object = 0; object < 2; object++) {
		s = wide(m, object, JSON_MAX_MEMBERS);
		tap_ok(json_parse(&j, m, s, strlen(s), &e) &&
		    cJSON_GetArraySize(j) == JSON_MAX_MEMBERS, "256 members");
		s = wide(m, object, JSON_MAX_MEMBERS + 1);
		tap_ok(!json_parse(&j, m, s, strlen(s), &e), "257 members: %s",
		    e.text);
		s = wide(m, object, 20000);
		tap_ok(json_parse_trusted(&j, m, s, strlen(s), &e) &&
		    cJSON_GetArraySize(j) == 20000, "20000 from a server");
	}
}

static void
test_getters(struct mem *m)
{
	static const char	 s[] = "{\"t\":\"x\",\"n\":1.5,\"b\":true,"
	    "\"z\":null,\"o\":{\"t\":\"y\"}}";
	struct err		 e;
	cJSON			*j;

	tap_ok(json_parse(&j, m, s, strlen(s), &e), "for the getters");
	tap_is(json_text(j, "t"), "x", "text");
	tap_is(json_text(j, "T"), NULL, "text: case counts");
	tap_is(json_text(j, "n"), NULL, "text: of a number");
	tap_is(json_text(j, "z"), NULL, "text: of null");
	tap_is(json_text(json_get(j, "o"), "t"), "y", "text: nested");
	tap_is(json_text(json_get(j, "absent"), "t"), NULL, "text: of nothing");
	tap_is(json_text(json_get(j, "t"), "t"), NULL, "text: in a text");
	tap_ok(json_number(j, "n", -1) > 1.4 && json_number(j, "n", -1) < 1.6,
	    "number");
	tap_ok(json_number(j, "t", -1) < 0 && json_number(j, "x", -1) < 0 &&
	    json_number(NULL, "n", -1) < 0, "number: fallback");
	tap_ok(json_get(j, "z") != NULL && json_get(NULL, "z") == NULL, "get");
}

static void
test_writing(struct mem *m)
{
	cJSON *j = json_object(m), *list = json_array(m), *inner;

	json_add_text(j, "t", "a\"\n\x01\xc3\xa9");
	json_add_text(j, "z", NULL);
	json_add_number(j, "n", 1234567890123.0);
	json_add_number(j, "f", 0.1);
	json_add_bool(j, "b", true);
	inner = cJSON_CreateArray();
	json_add(j, "l", inner);
	json_add_text(inner, NULL, "x");
	json_add_number(inner, NULL, 2);
	tap_is(json_print(m, j), "{\"t\":\"a\\\"\\n\\u0001\xc3\xa9\","
	    "\"z\":null,\"n\":1234567890123,\"f\":0.1,\"b\":true,"
	    "\"l\":[\"x\",2]}",
	    "an object");
	tap_is(json_print(m, list), "[]", "an array");
}

static struct mem	*starving;

static void *
no_memory(size_t n)
{
	(void)n;
	return NULL;
}

static void
starve(void)
{
	cJSON_Hooks hooks = { no_memory, NULL };

	cJSON_InitHooks(&hooks);
}

static void
add_starving(void)
{
	cJSON *j = json_object(starving);

	starve();
	json_add_text(j, "a", "b");
}

static void
parse_starving(void)
{
	struct err	 e;
	cJSON		*j;

	starve();
	tap_ok(!json_parse(&j, starving, "{}", 2, &e), "not reached");
}

static void
print_starving(void)
{
	cJSON *j = json_object(starving);

	starve();
	(void)json_print(starving, j);
}

static void
add_nothing(void)
{
	json_add(json_object(starving), "a", NULL);
}

static void
test_mended(struct mem *m)
{
	static const struct {
		const char *broken, *mended;
	} texts[] = {
		{ "{\"a\":\"b\"}", "{\"a\":\"b\"}" },
		{ "\"x\\u0000y\"", "\"x\\ufffdy\"" },
		{ "\"\\\\u0000\"", "\"\\\\u0000\"" },	/* a backslash */
		{ "\"\\ud83d\\ude00\"", "\"\\ud83d\\ude00\"" },
		{ "\"\\ud83d\"", "\"\\ufffd\"" },
		{ "\"\\ude00x\"", "\"\\ufffdx\"" },
		{ "\"\\ud83d\\u0041\"", "\"\\ufffd\\u0041\"" },
		{ "\"\xff\"", "\"\xef\xbf\xbd\"" },
		{ "\"\\", "\"\\" }, { "\"\\u12", "\"\\u12" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		tap_ok(strcmp(json_mended(m, texts[i].broken,
		    strlen(texts[i].broken)), texts[i].mended) == 0,
		    "mended: %s", texts[i].mended);
}

int
main(void)
{
	struct mem *m = mem_new();

	test_door(m);
	test_width(m);
	test_getters(m);
	test_writing(m);
	test_mended(m);
	starving = m;
	tap_aborts(add_starving, "out of memory while adding aborts");
	tap_aborts(parse_starving, "out of memory while parsing aborts");
	tap_aborts(print_starving, "out of memory while printing aborts");
	tap_aborts(add_nothing, "adding what could not be made aborts");
	mem_free(m);
	return tap_done();
}
