/* SPDX-License-Identifier: ISC */
/* form: one pass over the bytes, pairs in the order they came. */
#include "format/form.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#include "base/banned.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* What is read, and where what has been decoded goes: names and values lie
 * close together. */
struct reader {
	const char	*end;
	const char	*percent, *plus;	/* the next ones, or end */
	char		*room;
};

/* The first c from s on, or end. */
static const char *
find(const char *s, const char *end, char c)
{
	const char *p = memchr(s, c, (size_t)(end - s));

	return p == NULL ? end : p;
}

/* Nearly all that Twilio sends stands for itself. Strings are asked about in
 * the order in which they came: what is behind is looked for no more. */
static bool
is_plain(struct reader *r, const char *s, const char *end)
{
	if (r->percent <= s)
		r->percent = find(s, r->end, '%');
	if (r->plus <= s)
		r->plus = find(s, r->end, '+');
	return r->percent >= end && r->plus >= end;
}

static size_t
decode_each(char *out, const char *s, const char *end)
{
	char	*p = out;
	int	 hi, lo;

	for (; s < end; s++) {
		if (*s == '%' && end - s > 2 && (hi = hex_digit(s[1])) >= 0 &&
		    (lo = hex_digit(s[2])) >= 0) {
			*p++ = (char)(hi * 16 + lo);
			s += 2;
		} else {
			*p++ = *s == '+' ? ' ' : *s;
		}
	}
	return (size_t)(p - out);
}

static const char *
decode(struct reader *r, const char *s, const char *end, size_t *bytes)
{
	char	*out = r->room;
	size_t	 n = (size_t)(end - s);

	if (is_plain(r, s, end))
		memcpy(out, s, n);
	else
		n = decode_each(out, s, end);
	out[n] = '\0';
	r->room = out + n + 1;
	*bytes = n;
	return out;
}

/* The pairs between '&' that hold anything; "a=1&&b=2" has two. */
static size_t
count_pairs(const char *s, const char *end)
{
	size_t		 count = 0;
	const char	*amp;

	for (; s < end; s = amp + (amp < end)) {
		amp = find(s, end, '&');
		count += amp > s;
	}
	return count;
}

static bool
read_pair(struct form *f, struct mem *m, struct reader *r, const char *s,
    const char *end, struct err *e)
{
	struct form_pair	*p = &f->pairs[f->count++];
	const char		*equals = find(s, end, '=');

	p->name = decode(r, s, equals, &p->name_bytes);
	p->value = decode(r, equals + (equals < end), end, &p->value_bytes);
	if (p->name_bytes > FORM_MAX_NAME_BYTES)
		return err_set(e, ERR_TOO_LARGE,
		    "form: the name of pair %zu is over %d bytes", f->count,
		    FORM_MAX_NAME_BYTES);
	if (p->value_bytes > FORM_MAX_VALUE_BYTES)
		return err_set(e, ERR_TOO_LARGE,
		    "form: the value of pair %zu is over %d bytes", f->count,
		    FORM_MAX_VALUE_BYTES);
	p->text = p->value;
	if (!text_is_utf8(p->value, p->value_bytes))
		p->text = text_to_utf8(m, p->value, p->value_bytes);
	return true;
}

static int
compare_bytes(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
	int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

	return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

int
form_compare(const void *a, const void *b)
{
	const struct form_pair	*p = a, *q = b;
	int			 order;

	order = compare_bytes(p->name, p->name_bytes, q->name, q->name_bytes);
	return order != 0 ? order : compare_bytes(p->value, p->value_bytes,
	    q->value, q->value_bytes);
}

/* Twilio sends most forms in order; then sorting would cost as much as all
 * the decoding. */
static const struct form_pair *
sorted(const struct form *f, struct mem *m)
{
	struct form_pair	*copy;
	size_t			 i = 1;

	while (i < f->count && form_compare(&f->pairs[i - 1],
	    &f->pairs[i]) < 0)
		i++;
	if (i >= f->count)
		return f->pairs;
	copy = mem_array(m, f->count, sizeof(*copy));
	memcpy(copy, f->pairs, f->count * sizeof(*copy));
	qsort(copy, f->count, sizeof(*copy), form_compare);
	return copy;
}

/* Of five names that are asked for and not there, four have a bit that none of
 * a call's names has. */
static uint64_t
bit_of(const char *name, size_t n)
{
	return UINT64_C(1) << ((n + 8 * (unsigned char)name[0]) % 64);
}

void
form_seal(struct form *f, struct mem *m)
{
	const struct form_pair	*p = sorted(f, m);
	size_t			 n = 0;
	char			*to;

	f->names = 0;
	for (size_t i = 0; i < f->count; i++) {
		f->names |= bit_of(p[i].name, p[i].name_bytes);
		n += p[i].name_bytes + p[i].value_bytes;
	}
	f->signed_part = to = mem_get(m, n);
	for (size_t i = 0; i < f->count; i++) {
		/* In order as they came, they are distinct, too. */
		if (p != f->pairs && i > 0 && form_compare(&p[i - 1],
		    &p[i]) == 0)
			continue;
		memcpy(to, p[i].name, p[i].name_bytes);
		to += p[i].name_bytes;
		memcpy(to, p[i].value, p[i].value_bytes);
		to += p[i].value_bytes;
	}
	f->signed_bytes = (size_t)(to - f->signed_part);
}

bool
form_parse(struct form **out, struct mem *m, const char *s, size_t n,
    struct err *e)
{
	struct form	*f = mem_get(m, sizeof(*f));
	const char	*end = s + n, *amp;
	size_t		 count = count_pairs(s, end);
	struct reader	 r = { .end = end, .percent = s, .plus = s };

	/* Refused before anything is allocated for it. */
	if (count > FORM_MAX_PAIRS)
		return err_set(e, ERR_TOO_LARGE, "form: %zu pairs, over %d",
		    count, FORM_MAX_PAIRS);
	f->pairs = mem_array(m, count, sizeof(*f->pairs));
	r.room = mem_get(m, n + 2 * count);	/* a NUL behind each */
	for (; s < end; s = amp + (amp < end)) {
		amp = find(s, end, '&');
		if (amp > s && !read_pair(f, m, &r, s, amp, e))
			return false;
	}
	form_seal(f, m);
	*out = f;
	return true;
}

const char *
form_get(const struct form *f, const char *name)
{
	size_t n = strlen(name);

	if ((f->names & bit_of(name, n)) == 0)
		return NULL;
	/* By length too: "From%00x" is not From. */
	for (size_t i = 0; i < f->count; i++)
		if (f->pairs[i].name_bytes == n &&
		    memcmp(f->pairs[i].name, name, n) == 0)
			return f->pairs[i].text;
	return NULL;
}

const char *
form_some(const struct form *f, const char *name)
{
	const char *s = form_get(f, name);

	return s == NULL || s[0] == '\0' ? NULL : s;
}
