/* SPDX-License-Identifier: ISC */
/* text: encodings, at their edges. */
#include "base/text.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "tap.h"

#define BAD		"\xef\xbf\xbd"

static const struct {
	const char	*name;
	const char	*s;
	size_t		 n;
	bool		 good;
	const char	*repaired;	/* when not good */
} utf8[] = {
	{ "nothing",		BYTES(""), true, NULL },
	{ "ASCII",		BYTES("a~\x7f\x01"), true, NULL },
	{ "first of 2",		BYTES("\xc2\x80"), true, NULL },
	{ "last of 2",		BYTES("\xdf\xbf"), true, NULL },
	{ "first of 3",		BYTES("\xe0\xa0\x80"), true, NULL },
	{ "before surrogates",	BYTES("\xed\x9f\xbf"), true, NULL },
	{ "after surrogates",	BYTES("\xee\x80\x80"), true, NULL },
	{ "last of 3",		BYTES("\xef\xbf\xbf"), true, NULL },
	{ "first of 4",		BYTES("\xf0\x90\x80\x80"), true, NULL },
	{ "last of all",	BYTES("\xf4\x8f\xbf\xbf"), true, NULL },
	{ "mixed",		BYTES("h\xc3\xa9 \xf0\x9f\x91\x8d!"), true,
	    NULL },
	{ "NUL",		BYTES("a\0b"), false, "a" BAD "b" },
	{ "bare continuation",	BYTES("\x80x"), false, BAD "x" },
	{ "overlong NUL",	BYTES("\xc0\x80"), false, BAD BAD },
	{ "overlong /",		BYTES("\xc1\xaf"), false, BAD BAD },
	{ "overlong 3",		BYTES("\xe0\x9f\xbf"), false, BAD BAD BAD },
	{ "overlong 4",		BYTES("\xf0\x8f\xbf\xbf"), false,
	    BAD BAD BAD BAD },
	{ "surrogate",		BYTES("\xed\xa0\x80"), false, BAD BAD BAD },
	{ "beyond U+10FFFF",	BYTES("\xf4\x90\x80\x80"), false,
	    BAD BAD BAD BAD },
	{ "0xff",		BYTES("a\xff" "b"), false, "a" BAD "b" },
	{ "cut after 1 of 2",	BYTES("a\xc3"), false, "a" BAD },
	{ "cut after 2 of 3",	BYTES("\xe2\x82"), false, BAD BAD },
	{ "cut after 3 of 4",	BYTES("\xf0\x9f\x91"), false, BAD BAD BAD },
	{ "broken off",		BYTES("\xe2\x82z"), false, BAD BAD "z" },
};

static void
test_utf8(struct mem *m)
{
	char *copy;

	for (size_t i = 0; i < COUNT(utf8); i++) {
		/* An exact copy: a byte read too many is seen. */
		copy = mem_dup_n(m, utf8[i].s, utf8[i].n);
		tap_ok(text_is_utf8(copy, utf8[i].n) == utf8[i].good,
		    "is_utf8: %s", utf8[i].name);
		tap_is(text_to_utf8(m, copy, utf8[i].n),
		    utf8[i].good ? utf8[i].s : utf8[i].repaired,
		    "to_utf8: %s", utf8[i].name);
	}
}

/* It looks at eight bytes at once: none may hide among them. */
static void
test_utf8_places(struct mem *m)
{
	static const unsigned char bytes[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	char	*copy;
	bool	 good;

	for (size_t i = 0; i < COUNT(bytes); i++) {
		good = true;
		for (size_t n = 1; n <= 25; n++) {
			for (size_t at = 0; at < n; at++) {
				copy = mem_get(m, n);
				memset(copy, '~', n);
				copy[at] = (char)bytes[i];
				good = good && text_is_utf8(copy, n) ==
				    (bytes[i] == 0x01 || bytes[i] == 0x7f);
			}
		}
		tap_ok(good, "is_utf8: %02x, wherever it is", bytes[i]);
	}
}

static void
test_cut(struct mem *m)
{
	tap_is(text_cut(m, "abc", 0), "", "cut to nothing");
	tap_is(text_cut(m, "abc", 2), "ab", "cut");
	tap_is(text_cut(m, "abc", 3), "abc", "nothing to cut");
	tap_is(text_cut(m, "abc", (size_t)-1), "abc", "no limit");
	tap_is(text_cut(m, "\xc3\xa9\xf0\x9f\x91\x8d!", 2),
	    "\xc3\xa9\xf0\x9f\x91\x8d", "characters, not bytes");
	tap_is(text_cut(m, "\xff\xfe" "a", 2), "\xff\xfe",
	    "a bad byte counts as one");
}

static const struct {
	const char	*s;
	long		 min, max;
	bool		 good;
	long		 want;
} numbers[] = {
	{ "0",		0, 9, true, 0 },
	{ "9",		0, 9, true, 9 },
	{ "10",		0, 9, false, 0 },
	{ "-1",		0, 9, false, 0 },
	{ "-1",		-1, 9, true, -1 },
	{ "007",	0, 9, true, 7 },
	{ "",		0, 9, false, 0 },
	{ "-",		-9, 9, false, 0 },
	{ "--1",	-9, 9, false, 0 },
	{ "+1",		0, 9, false, 0 },
	{ " 1",		0, 9, false, 0 },
	{ "1 ",		0, 9, false, 0 },
	{ "1x",		0, 9, false, 0 },
	{ "0x1",	0, 9, false, 0 },
	{ "1.0",	0, 9, false, 0 },
	{ "9223372036854775807", LONG_MIN, LONG_MAX, true, LONG_MAX },
	{ "9223372036854775808", LONG_MIN, LONG_MAX, false, 0 },
	{ "-9223372036854775808", LONG_MIN, LONG_MAX, true, LONG_MIN },
	{ "-9223372036854775809", LONG_MIN, LONG_MAX, false, 0 },
	{ "99999999999999999999999", LONG_MIN, LONG_MAX, false, 0 },
};

static void
test_numbers(void)
{
	long out;

	for (size_t i = 0; i < COUNT(numbers); i++) {
		out = 4711;
		tap_ok(text_to_long(numbers[i].s, numbers[i].min,
		    numbers[i].max, &out) == numbers[i].good &&
		    out == (numbers[i].good ? numbers[i].want : 4711),
		    "to_long: '%s'", numbers[i].s);
	}
}

static void
test_encodings(struct mem *m)
{
	char room[TEXT_DECIMAL_BYTES];

	tap_is(text_decimal(room, 0), "0", "decimal: 0");
	tap_is(text_decimal(room, 4711), "4711", "decimal: 4711");
	tap_is(text_decimal(room, ULONG_MAX), "18446744073709551615",
	    "decimal: the largest");
	tap_is(text_hex(m, "\x00\x9f\xff", 3), "009fff", "hex");
	tap_is(text_hex(m, "", 0), "", "hex of nothing");
	/* RFC 4648, 10 */
	tap_is(text_base64(m, "", 0), "", "base64 of nothing");
	tap_is(text_base64(m, "f", 1), "Zg==", "base64 f");
	tap_is(text_base64(m, "fo", 2), "Zm8=", "base64 fo");
	tap_is(text_base64(m, "foobar", 6), "Zm9vYmFy", "base64 foobar");
	tap_is(text_base64(m, "\xff\xef\xbe", 3), "/+++", "base64 + and /");
	/* FIPS 180-2: SHA-256("abc") */
	tap_is(text_sha256(m, "abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	    "SHA-256 (FIPS 180-4, B.1)");
}

static void
test_rest(void)
{
	bool spans = true;

	for (int c = 1; c < 256; c++)
		spans = spans && (text_span((char[]){ (char)c, '\0' }, "") ==
		    1) == (c < 128 && isalnum(c));
	tap_ok(spans, "letters and digits of ASCII, and no other byte");
	tap_ok(text_span("aZ09-_+", "-_") == 6 && text_span("", "+") == 0 &&
	    text_span("a", "") == 1 && text_span("\xc3\xa4", "+") == 0,
	    "span");
	tap_ok(text_starts("abc", "ab") && text_starts("abc", "abc") &&
	    text_starts("abc", ""), "starts");
	tap_ok(!text_starts("ab", "abc") && !text_starts("xab", "ab"),
	    "does not start");
	tap_ok(text_ends("abc", "bc") && text_ends("abc", "abc") &&
	    text_ends("abc", ""), "ends");
	tap_ok(!text_ends("bc", "abc") && !text_ends("abcd", "bc"),
	    "does not end");
}

int
main(void)
{
	struct mem *m = mem_new();

	test_utf8(m);
	test_utf8_places(m);
	test_cut(m);
	test_numbers();
	test_encodings(m);
	test_rest();
	mem_free(m);
	return tap_done();
}
