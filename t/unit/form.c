/* SPDX-License-Identifier: ISC */
/* form: what a body becomes, and what is refused. */
#include "format/form.h"

#include <string.h>

#include "base/buf.h"
#include "tap.h"

static const struct {
	const char	*body;
	size_t		 count;
	const char	*pairs[8];	/* name, value, … decoded */
} decoded[] = {
	{ "",			0, { NULL } },
	{ "&&",			0, { NULL } },
	{ "a=1",		1, { "a", "1" } },
	{ "a=1&b=2",		2, { "a", "1", "b", "2" } },
	{ "b=2&a=1&b=1",	3, { "b", "2", "a", "1", "b", "1" } },
	{ "a=1&&b=2&",		2, { "a", "1", "b", "2" } },
	{ "a",			1, { "a", "" } },
	{ "a=",			1, { "a", "" } },
	{ "=v",			1, { "", "v" } },
	{ "=",			1, { "", "" } },
	{ "a=b=c",		1, { "a", "b=c" } },
	{ "a+b=+c+",		1, { "a b", " c " } },
	{ "a=%2B1%20%c3%A9",	1, { "a", "+1 \xc3\xa9" } },
	{ "a%3d%26=%26%3D",	1, { "a=&", "&=" } },
	{ "a=%&b=%2&c=%zz",	3, { "a", "%", "b", "%2", "c", "%zz" } },
	{ "a=%%41&b=%4%41",	2, { "a", "%A", "b", "%4A" } },
	{ "a=%252B",		1, { "a", "%2B" } },
	{ "a+=b&c=d%41&%65=+",	3, { "a ", "b", "c", "dA", "e", " " } },
	{ "%61=%62&c=d&+=f+",	3, { "a", "b", "c", "d", " ", "f " } },
	{ "a=1+&&+b=%&c=d",	3, { "a", "1 ", " b", "%", "c", "d" } },
	{ "a=1;b=2",		1, { "a", "1;b=2" } },
	{ "a=%0d%0A\r\n",	1, { "a", "\r\n\r\n" } },
};

static void
test_decoding(struct mem *m)
{
	struct err	 e;
	struct form	*f;
	bool		 same;

	for (size_t i = 0; i < COUNT(decoded); i++) {
		if (!tap_ok(form_parse(&f, m, decoded[i].body,
		    strlen(decoded[i].body), &e), "'%s'", decoded[i].body))
			continue;
		same = f->count == decoded[i].count;
		for (size_t k = 0; same && k < f->count; k++)
			same = strcmp(f->pairs[k].name,
			    decoded[i].pairs[2 * k]) == 0 &&
			    strcmp(f->pairs[k].value,
			    decoded[i].pairs[2 * k + 1]) == 0 &&
			    strcmp(f->pairs[k].text,
			    decoded[i].pairs[2 * k + 1]) == 0;
		tap_ok(same, "'%s' decoded, in order", decoded[i].body);
	}
}

static void
test_bytes(struct mem *m)
{
	static const char	 body[] = "Body=a%00b%ff&From%00x=1&From=2&N="
	    "\0";
	struct err		 e;
	struct form		*f;

	tap_ok(form_parse(&f, m, body, sizeof(body) - 1, &e), "odd bytes");
	tap_ok(f->count == 4 && f->pairs[0].value_bytes == 4 &&
	    memcmp(f->pairs[0].value, "a\0b\xff", 5) == 0,
	    "the value keeps NUL and bad UTF-8, for the signature");
	tap_is(form_get(f, "Body"), "a\xef\xbf\xbd" "b\xef\xbf\xbd",
	    "the text has them replaced, for the database");
	tap_is(form_get(f, "From"), "2", "a name that a NUL cuts is another");
	tap_ok(f->pairs[3].value_bytes == 1, "a NUL that nobody escaped");
	/* What lies behind the given bytes is not read. */
	tap_ok(form_parse(&f, m, "a=%41", 4, &e) &&
	    strcmp(f->pairs[0].value, "%4") == 0, "an escape cut by the end");
}

static void
test_getters(struct mem *m)
{
	static const char	 body[] = "a=1&b=&a=2&c";
	struct err		 e;
	struct form		*f;

	tap_ok(form_parse(&f, m, body, strlen(body), &e), "for the getters");
	tap_is(form_get(f, "a"), "1", "get: the first");
	tap_is(form_get(f, "b"), "", "get: empty is there");
	tap_is(form_get(f, "c"), "", "get: without '='");
	tap_is(form_get(f, "A"), NULL, "get: case counts");
	tap_is(form_get(f, "ab"), NULL, "get: absent");
	tap_is(form_some(f, "a"), "1", "some: a value");
	tap_is(form_some(f, "b"), NULL, "some: empty is none");
	tap_is(form_some(f, "x"), NULL, "some: absent is none");
}

/* name_bytes 'n', '=', value_bytes 'v', `times` over. */
static bool
parses(struct mem *m, size_t times, size_t name_bytes, size_t value_bytes,
    const char *v, struct err *e)
{
	struct buf	*b = buf_new(m, 1 << 20);
	struct form	*f;

	err_clear(e);
	while (times-- > 0) {
		for (size_t i = 0; i < name_bytes; i++)
			buf_chr(b, 'n');
		buf_chr(b, '=');
		for (size_t i = 0; i < value_bytes; i++)
			buf_str(b, v);
		buf_chr(b, '&');
	}
	return form_parse(&f, m, b->s, b->len, e);
}

static void
test_limits(struct mem *m)
{
	struct err e;

	tap_ok(parses(m, FORM_MAX_PAIRS, 1, 1, "v", &e), "256 pairs");
	tap_ok(!parses(m, FORM_MAX_PAIRS + 1, 1, 1, "v", &e) &&
	    e.kind == ERR_TOO_LARGE, "257 pairs: %s", e.text);
	tap_ok(!parses(m, 10000, 1, 1, "v", &e) && e.kind == ERR_TOO_LARGE,
	    "10000 pairs: %s", e.text);
	tap_ok(parses(m, 1, FORM_MAX_NAME_BYTES, 0, "", &e), "64-byte name");
	tap_ok(!parses(m, 1, FORM_MAX_NAME_BYTES + 1, 0, "", &e) &&
	    e.kind == ERR_TOO_LARGE, "65-byte name: %s", e.text);
	tap_ok(parses(m, 1, 1, FORM_MAX_VALUE_BYTES, "%41", &e),
	    "16384-byte value, counted decoded");
	tap_ok(!parses(m, 3, 1, FORM_MAX_VALUE_BYTES + 1, "v", &e) &&
	    e.kind == ERR_TOO_LARGE, "16385-byte value: %s", e.text);
}

int
main(void)
{
	struct mem *m = mem_new();

	test_decoding(m);
	test_bytes(m);
	test_getters(m);
	test_limits(m);
	mem_free(m);
	return tap_done();
}
