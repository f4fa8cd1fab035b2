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

static char *
decode(struct mem *m, const char *s, size_t n, size_t *bytes)
{
	char	*out = mem_get(m, n + 1), *p = out;
	int	 hi, lo;

	for (size_t i = 0; i < n; i++) {
		while (i < n && s[i] != '%' && s[i] != '+')
			*p++ = s[i++];		/* most of it */
		if (i == n)
			break;
		if (s[i] == '%' && n - i > 2 &&
		    (hi = hex_digit(s[i + 1])) >= 0 &&
		    (lo = hex_digit(s[i + 2])) >= 0) {
			*p++ = (char)(hi * 16 + lo);
			i += 2;
		} else {
			*p++ = s[i] == '+' ? ' ' : s[i];
		}
	}
	*bytes = (size_t)(p - out);
	return out;
}

/* Twilio sends most forms in order; then sorting would cost as much as all
 * the decoding. */
static bool
is_sorted(const struct form *f)
{
	for (size_t i = 1; i < f->count; i++)
		if (form_compare(&f->pairs[i - 1], &f->pairs[i]) > 0)
			return false;
	return true;
}

/* The pairs between '&' that hold anything; "a=1&&b=2" has two. */
static size_t
count_pairs(const char *s, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (s[i] != '&' && (i == 0 || s[i - 1] == '&'))
			count++;
	return count;
}

static bool
read_pair(struct form *f, struct mem *m, const char *s, size_t n,
    struct err *e)
{
	struct form_pair	*p = &f->pairs[f->count++];
	const char		*equals = memchr(s, '=', n);
	size_t			 k = equals == NULL ? n : (size_t)(equals - s);
	size_t			 value_at = equals == NULL ? n : k + 1;

	p->name = decode(m, s, k, &p->name_bytes);
	p->value = decode(m, s + value_at, n - value_at, &p->value_bytes);
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

bool
form_parse(struct form **out, struct mem *m, const char *s, size_t n,
    struct err *e)
{
	struct form	*f = mem_get(m, sizeof(*f));
	size_t		 count = count_pairs(s, n), end;
	const char	*amp;

	/* Refused before anything is allocated for it. */
	if (count > FORM_MAX_PAIRS)
		return err_set(e, ERR_TOO_LARGE, "form: %zu pairs, over %d",
		    count, FORM_MAX_PAIRS);
	f->pairs = mem_array(m, count, sizeof(*f->pairs));
	for (size_t at = 0; at < n; at = end + 1) {
		amp = memchr(s + at, '&', n - at);
		end = amp == NULL ? n : (size_t)(amp - s);
		if (end > at && !read_pair(f, m, s + at, end - at, e))
			return false;
	}
	*out = f;
	f->sorted = f->pairs;
	if (is_sorted(f))
		return true;
	f->sorted = mem_array(m, f->count, sizeof(*f->sorted));
	memcpy(f->sorted, f->pairs, f->count * sizeof(*f->sorted));
	qsort(f->sorted, f->count, sizeof(*f->sorted), form_compare);
	return true;
}

const char *
form_get(const struct form *f, const char *name)
{
	size_t n = strlen(name);

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
