/* SPDX-License-Identifier: ISC */
/* Fuzzer of text: UTF-8 against a decoder of another make, repair and cutting,
 * numbers, lines, ids. */
#include "fuzz.h"

#include <errno.h>

#include "base/text.h"

/* By arithmetic, where text.c has a table. */
static bool
decodes(const uint8_t *s, size_t n, size_t *chars)
{
	uint32_t	c, least;
	size_t		k;

	for (*chars = 0; n > 0; ++*chars) {
		k = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
		least = (uint32_t[]){ 1, 0x80, 0x800, 0x10000 }[k - 1];
		if (k > n || (s[0] >= 0x80 && s[0] < 0xc0) || s[0] >= 0xf8)
			return false;
		c = k == 1 ? s[0] : s[0] & (0x7fU >> k);
		for (size_t i = 1; i < k; i++) {
			if (s[i] >> 6 != 2)
				return false;
			c = c << 6 | (s[i] & 0x3f);
		}
		if (c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return false;
		s += k;
		n -= k;
	}
	return true;
}

static void
check_utf8(struct mem *m, const uint8_t *bytes, size_t n)
{
	const char	*s = (const char *)bytes;
	char		*good = text_to_utf8(m, s, n), *cut;
	size_t		 chars, some;
	bool		 is_good = text_is_utf8(s, n);

	must(is_good == decodes(bytes, n, &chars));
	must(text_is_utf8(good, strlen(good)));
	must(strcmp(text_to_utf8(m, good, strlen(good)), good) == 0);
	if (is_good)
		must(strlen(good) == n && memcmp(good, s, n) == 0);
	must(decodes((uint8_t *)good, strlen(good), &chars));
	cut = text_cut(m, good, n / 2);
	must(text_starts(good, cut));
	must(decodes((uint8_t *)cut, strlen(cut), &some));
	must(some == (chars < n / 2 ? chars : n / 2));
	must(strcmp(text_cut(m, good, chars), good) == 0);
}

static void
check_number(const char *s)
{
	long	 v, same;
	char	 text[32];
	size_t	 digits = strspn(s + (s[0] == '-'), "0123456789");
	bool	 is_number = digits > 0 && s[(s[0] == '-') + digits] == '\0';

	if (!text_to_long(s, INT64_MIN, INT64_MAX, &v)) {
		must(!is_number || digits >= 19);
		return;
	}
	must(is_number);
	(void)snprintf(text, sizeof(text), "%ld", v);
	must(text_to_long(text, v, v, &same) && same == v);
	must(v == INT64_MAX || !text_to_long(text, v + 1, INT64_MAX, &same));
	must(v == INT64_MIN || !text_to_long(text, INT64_MIN, v - 1, &same));
}

static void
check_lines(struct mem *m, const uint8_t *bytes, size_t n)
{
	char	*copy = mem_dup_n(m, bytes, n), *p = copy, *line, *before;
	char	*end = copy + n;
	size_t	 lines = 0, newlines = 0;

	for (size_t i = 0; i < n; i++)
		newlines += bytes[i] == '\n';
	for (;; lines++) {
		before = p;
		if ((line = text_take_line(&p, end)) == NULL)
			break;
		must(line == before && p > line && p <= end && p[-1] == '\0');
		must(strchr(line, '\n') == NULL);
	}
	must(lines == newlines && p == before);
}

static void
check_id(const char *s)
{
	static const char shape[] = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-"
	    "[0-9a-f]{4}-[0-9a-f]{12}$";

	must(text_is_uuid(s) == text_matches(s, shape));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct mem	*m = mem_new();
	char		*s = mem_dup_n(m, bytes, n);

	check_utf8(m, bytes, n);
	check_number(s);
	check_lines(m, bytes, n);
	check_id(s);
	must(text_starts(s, text_cut(m, s, n / 3)));
	must(text_ends(s, s + strlen(s) / 3));
	mem_free(m);
	return 0;
}
