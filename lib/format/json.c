/* SPDX-License-Identifier: ISC */
/* json: the door (a lexer of RFC 8259, stricter where cJSON or PostgreSQL's
 * jsonb would be fooled), then cJSON, which sees only what has passed it. */
#include "format/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#include "base/banned.h"

#define MAX_NUMBER_CHARS	32

struct lexer {
	const char	*start, *p, *end;
	struct mem	*mem;
	struct err	*e;
	int		 depth;
	size_t		 max_members;
};

/* A member's name, decoded, for "a" and "\u0061" are the same name. */
struct name {
	const char	*text;
	const char	*at;
};

struct names {
	struct name	*list;
	size_t		 count, room;
};

static bool	 value(struct lexer *);

static void
json_release(void *arg)
{
	cJSON_Delete(arg);
}

static cJSON *
owned(struct mem *m, cJSON *j)
{
	if (j == NULL)
		abort();
	mem_defer(m, json_release, j);
	return j;
}

static bool
refuse(struct lexer *l, const char *at, const char *why)
{
	return err_set(l->e, ERR_INPUT, "JSON: %s at byte %zu", why,
	    (size_t)(at - l->start));
}

/* The next byte, or '\0' at the end; a NUL in the text is no token either. */
static char
peek(const struct lexer *l)
{
	return l->p < l->end ? *l->p : '\0';
}

static bool
take(struct lexer *l, char c)
{
	if (peek(l) != c)
		return false;
	l->p++;
	return true;
}

static void
space(struct lexer *l)
{
	while (l->p < l->end && memchr(" \t\r\n", *l->p, 4) != NULL)
		l->p++;
}

static size_t
digits(struct lexer *l)
{
	const char *from = l->p;

	while (peek(l) >= '0' && peek(l) <= '9')
		l->p++;
	return (size_t)(l->p - from);
}

static bool
number(struct lexer *l)
{
	const char	*from = l->p;
	char		 text[MAX_NUMBER_CHARS + 1] = "";
	size_t		 whole;

	(void)take(l, '-');
	whole = digits(l);
	if (whole == 0)
		return refuse(l, l->p, "unexpected character");
	if (whole > 1 && from[*from == '-'] == '0')
		return refuse(l, from, "number with a leading zero");
	if (take(l, '.') && digits(l) == 0)
		return refuse(l, l->p, "number without a digit after '.'");
	if (take(l, 'e') || take(l, 'E')) {
		if (!take(l, '+'))
			(void)take(l, '-');
		if (digits(l) == 0)
			return refuse(l, l->p, "exponent without a digit");
	}
	if (l->p - from > MAX_NUMBER_CHARS)
		return refuse(l, from, "number of over 32 characters");
	memcpy(text, from, (size_t)(l->p - from));
	if (!isfinite(strtod(text, NULL)))
		return refuse(l, from, "number too large");
	return true;
}

/* Four hex digits, or -1. */
static long
hex4(struct lexer *l)
{
	char text[5] = "";

	if (l->end - l->p < 4)
		return -1;
	memcpy(text, l->p, 4);
	if (strspn(text, "0123456789abcdefABCDEF") != 4)
		return -1;
	l->p += 4;
	return strtol(text, NULL, 16);
}

/* What follows the "\u" at at. */
static bool
unicode_escape(struct lexer *l, const char *at)
{
	long high = hex4(l), low;

	if (high < 0)
		return refuse(l, at, "bad \\u escape");
	if (high == 0)
		return refuse(l, at, "\\u0000");
	if (high >= 0xd800 && high < 0xe000) {
		low = take(l, '\\') && take(l, 'u') ? hex4(l) : -1;
		if (high >= 0xdc00 || low < 0xdc00 || low >= 0xe000)
			return refuse(l, at, "lone surrogate");
	}
	return true;
}

static bool
escape(struct lexer *l)
{
	const char *at = l->p++;

	if (take(l, 'u'))
		return unicode_escape(l, at);
	if (l->p == l->end || memchr("\"\\/bfnrt", *l->p, 8) == NULL)
		return refuse(l, at, "unknown escape");
	l->p++;
	return true;
}

/* A string whose quote is taken. */
static bool
string(struct lexer *l)
{
	const char	*from = l->p - 1;
	unsigned char	 c;
	size_t		 k;

	while (!take(l, '"')) {
		if (l->p == l->end)
			return refuse(l, from, "string without an end");
		c = (unsigned char)*l->p;
		if (c < 0x20)
			return refuse(l, l->p, "control character in a string");
		if (c == '\\') {
			if (!escape(l))
				return false;
			continue;
		}
		k = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		if (k > (size_t)(l->end - l->p) || !text_is_utf8(l->p, k))
			return refuse(l, l->p, "invalid UTF-8");
		l->p += k;
	}
	return true;
}

static bool
word(struct lexer *l, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(l->end - l->p) < n || memcmp(l->p, text, n) != 0)
		return refuse(l, l->p, "unexpected character");
	l->p += n;
	return true;
}

static int
compare_names(const void *a, const void *b)
{
	const struct name	*p = a, *q = b;
	int			 order = strcmp(p->text, q->text);

	return order != 0 ? order : (p->at > q->at) - (p->at < q->at);
}

static bool
names_differ(struct lexer *l, struct names *n)
{
	if (n->count > 1)
		qsort(n->list, n->count, sizeof(*n->list), compare_names);
	for (size_t i = 1; i < n->count; i++)
		if (strcmp(n->list[i - 1].text, n->list[i].text) == 0)
			return refuse(l, n->list[i].at, "duplicate name");
	return true;
}

static void
names_add(struct lexer *l, struct names *n, const char *at)
{
	struct name	*wider;
	cJSON		*text;

	if (n->count == n->room) {
		n->room = n->room == 0 ? 16 : 2 * n->room;
		wider = mem_array(l->mem, n->room, sizeof(*wider));
		if (n->count > 0)
			memcpy(wider, n->list, n->count * sizeof(*wider));
		n->list = wider;
	}
	text = owned(l->mem, cJSON_ParseWithLength(at, (size_t)(l->p - at)));
	n->list[n->count++] = (struct name){ text->valuestring, at };
}

static bool
member_name(struct lexer *l, struct names *n)
{
	const char *at = l->p;

	if (!take(l, '"'))
		return refuse(l, at, "expected a name in quotes");
	if (!string(l))
		return false;
	names_add(l, n, at);
	space(l);
	return take(l, ':') || refuse(l, l->p, "expected ':'");
}

/* An object or array whose bracket is taken. */
static bool
container(struct lexer *l, char close)
{
	struct names	names = { 0 };
	size_t		count = 0;

	if (++l->depth > JSON_MAX_DEPTH)
		return refuse(l, l->p - 1, "nested too deep");
	space(l);
	if (!take(l, close)) {
		do {
			space(l);
			if (++count > l->max_members)
				return refuse(l, l->p, "too many members");
			if (close == '}' && !member_name(l, &names))
				return false;
			if (!value(l))
				return false;
		} while (take(l, ','));
		if (!take(l, close))
			return refuse(l, l->p, "expected ',' or the end of"
			    " the list");
	}
	l->depth--;
	return names_differ(l, &names);
}

/* One value with the space around it. */
static bool
value(struct lexer *l)
{
	bool ok;

	space(l);
	if (l->p == l->end)
		return refuse(l, l->p, "unexpected end");
	if (take(l, '{'))
		ok = container(l, '}');
	else if (take(l, '['))
		ok = container(l, ']');
	else if (take(l, '"'))
		ok = string(l);
	else if (peek(l) == 't')
		ok = word(l, "true");
	else if (peek(l) == 'f')
		ok = word(l, "false");
	else if (peek(l) == 'n')
		ok = word(l, "null");
	else
		ok = number(l);
	if (ok)
		space(l);
	return ok;
}

static bool
parse(cJSON **out, struct mem *m, const char *s, size_t n, size_t max_members,
    struct err *e)
{
	struct mem	*names = mem_new();
	struct lexer	 l = { .start = s, .p = s, .end = s + n,
	    .mem = names, .e = e, .max_members = max_members };
	bool		 ok;

	if (n >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
		ok = refuse(&l, s, "byte order mark");
	else
		ok = value(&l);
	if (ok && l.p != l.end)
		ok = refuse(&l, l.p, "something after the value");
	mem_free(names);
	/* What passed the door cJSON refuses only for want of memory. */
	if (ok)
		*out = owned(m, cJSON_ParseWithLengthOpts(s, n, NULL, false));
	return ok;
}

bool
json_parse(cJSON **out, struct mem *m, const char *s, size_t n, struct err *e)
{
	return parse(out, m, s, n, JSON_MAX_MEMBERS, e);
}

bool
json_parse_trusted(cJSON **out, struct mem *m, const char *s, size_t n,
    struct err *e)
{
	return parse(out, m, s, n, SIZE_MAX, e);
}

/* The code behind "\\u", or -1. */
static long
escape_code(const char *p)
{
	return p[0] == '\\' && p[1] == 'u' && strspn(p + 2,
	    "0123456789abcdefABCDEF") >= 4 ? strtol((char[5]){ p[2], p[3],
	    p[4], p[5], '\0' }, NULL, 16) : -1;
}

char *
json_mended(struct mem *m, const char *s, size_t n)
{
	char	*out = text_to_utf8(m, s, n), *p = out;
	long	 code;

	while ((p = strchr(p, '\\')) != NULL) {
		code = escape_code(p);
		if (code >= 0xd800 && code < 0xdc00 &&
		    (escape_code(p + 6) & 0xfc00) == 0xdc00)
			p += 12;
		else if (code == 0 || (code & 0xf800) == 0xd800)
			memcpy(p + 2, "fffd", 4);
		else
			p += p[1] == '\0' ? 1 : 2;
	}
	return out;
}

cJSON *
json_object(struct mem *m)
{
	return owned(m, cJSON_CreateObject());
}

cJSON *
json_array(struct mem *m)
{
	return owned(m, cJSON_CreateArray());
}

const cJSON *
json_get(const cJSON *j, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(j, name);
}

const char *
json_text(const cJSON *j, const char *name)
{
	return cJSON_GetStringValue(json_get(j, name));
}

double
json_number(const cJSON *j, const char *name, double fallback)
{
	const cJSON *v = json_get(j, name);

	return cJSON_IsNumber(v) ? v->valuedouble : fallback;
}

void
json_add(cJSON *j, const char *name, cJSON *v)
{
	if (v == NULL || !(cJSON_IsArray(j) ? cJSON_AddItemToArray(j, v) :
	    cJSON_AddItemToObject(j, name, v)))
		abort();
}

void
json_add_text(cJSON *j, const char *name, const char *text)
{
	json_add(j, name, text == NULL ? cJSON_CreateNull() :
	    cJSON_CreateString(text));
}

void
json_add_number(cJSON *j, const char *name, double v)
{
	json_add(j, name, cJSON_CreateNumber(v));
}

void
json_add_bool(cJSON *j, const char *name, bool v)
{
	json_add(j, name, cJSON_CreateBool(v));
}

char *
json_print(struct mem *m, const cJSON *j)
{
	/* Not PrintUnformatted(), which gives back to malloc() what it did not
	 * need: for a few members that was a third of all it took. */
	char *text = cJSON_PrintBuffered(j, 256, false), *copy;

	if (text == NULL)
		abort();
	copy = mem_dup(m, text);
	cJSON_free(text);
	return copy;
}
