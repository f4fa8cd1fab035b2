/* SPDX-License-Identifier: ISC */
/* text: encodings. */
#include "base/text.h"

#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/buf.h"

#include "base/digest.h"

#include "base/banned.h"

/* Bytes of the well-formed character at s, or 0 (Unicode table 3-7). */
static size_t
char_bytes(const unsigned char *s, size_t n)
{
	static const struct {
		unsigned char first_lo, first_hi, second_lo, second_hi, bytes;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	if (s[0] < 0x80)
		return s[0] == 0 ? 0 : 1;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].first_lo || s[0] > forms[i].first_hi)
			continue;
		if (n < forms[i].bytes || s[1] < forms[i].second_lo ||
		    s[1] > forms[i].second_hi)
			return 0;
		for (size_t k = 2; k < forms[i].bytes; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].bytes;
	}
	return 0;
}

/* How many bytes are ASCII and not NUL: most of them, so eight at a time. */
static size_t
ascii_span(const unsigned char *s, size_t n)
{
	const uint64_t	ones = UINT64_MAX / 255, highs = ones << 7;
	uint64_t	eight;
	size_t		i = 0;

	for (; n - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, s + i, sizeof(eight));
		/* The high bit is there, or a NUL borrows it. */
		if (((eight | (eight - ones)) & highs) != 0)
			break;
	}
	while (i < n && s[i] > 0 && s[i] < 0x80)
		i++;
	return i;
}

bool
text_is_utf8(const char *s, size_t n)
{
	const unsigned char	*u = (const unsigned char *)s;
	size_t			 k;

	for (size_t i = 0; i < n; i += k) {
		i += ascii_span(u + i, n - i);
		k = i == n ? 1 : char_bytes(u + i, n - i);
		if (k == 0)
			return false;
	}
	return true;
}

char *
text_to_utf8(struct mem *m, const char *s, size_t n)
{
	const unsigned char	*u = (const unsigned char *)s;
	char			*out = mem_get(m, 3 * n + 1), *p = out;
	size_t			 k;

	for (size_t i = 0; i < n; ) {
		if ((k = char_bytes(u + i, n - i)) == 0) {
			memcpy(p, "\xef\xbf\xbd", 3);
			p += 3;
			i++;
		} else {
			memcpy(p, s + i, k);
			p += k;
			i += k;
		}
	}
	return out;
}

char *
text_cut(struct mem *m, const char *s, size_t max_chars)
{
	size_t n = strlen(s), i = 0, k;

	while (i < n && max_chars-- > 0) {
		k = char_bytes((const unsigned char *)s + i, n - i);
		i += k == 0 ? 1 : k;
	}
	return mem_dup_n(m, s, i);
}

char *
text_hex(struct mem *m, const void *p, size_t n)
{
	static const char	 digits[] = "0123456789abcdef";
	const unsigned char	*u = p;
	char			*out = mem_get(m, 2 * n + 1);

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[u[i] >> 4];
		out[2 * i + 1] = digits[u[i] & 15];
	}
	return out;
}

char *
text_base64(struct mem *m, const void *p, size_t n)
{
	char *out = mem_get(m, 4 * ((n + 2) / 3) + 1);

	(void)EVP_EncodeBlock((unsigned char *)out, p, (int)n);
	return out;
}

const char *
text_decimal(char room[TEXT_DECIMAL_BYTES], unsigned long v)
{
	char *p = room + TEXT_DECIMAL_BYTES - 1;

	*p = '\0';
	do
		*--p = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	return p;
}

bool
text_to_long(const char *s, long min, long max, long *out)
{
	const bool	 minus = *s == '-';
	long		 v = 0;

	s += minus;
	if (*s == '\0')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, minus ? '0' - *s : *s - '0', &v))
			return false;
	if (*s != '\0' || v < min || v > max)
		return false;
	*out = v;
	return true;
}

static bool
is_alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' &&
	    (c | 0x20) <= 'z');
}

size_t
text_span(const char *s, const char *others)
{
	size_t n = 0;

	while (is_alphanumeric(s[n]) || (s[n] != '\0' &&
	    strchr(others, s[n]) != NULL))
		n++;
	return n;
}

bool
text_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
text_is_uuid(const char *s)
{
	static const size_t	parts[] = { 8, 4, 4, 4, 12 };
	const size_t		n = sizeof(parts) / sizeof(parts[0]);

	for (size_t i = 0; i < n; i++) {
		if (strspn(s, "0123456789abcdef") != parts[i] ||
		    s[parts[i]] != (i + 1 < n ? '-' : '\0'))
			return false;
		s += parts[i] + 1;
	}
	return true;
}

bool
text_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n >= k && strcmp(s + n - k, suffix) == 0;
}

char *
text_take_line(char **p, const char *end)
{
	char *line = *p, *nl = memchr(line, '\n', (size_t)(end - line));

	if (nl == NULL)
		return NULL;
	*nl = '\0';
	*p = nl + 1;
	return line;
}

bool
text_matches(const char *s, const char *pattern)
{
	regex_t	re;
	bool	ok;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		abort();
	ok = regexec(&re, s, 0, NULL, 0) == 0;
	regfree(&re);
	return ok;
}

char *
text_sha256(struct mem *m, const void *p, size_t n)
{
	const struct digest_piece	 whole = { p, n };
	unsigned char			 md[DIGEST_SHA256_BYTES];

	digest_sha256(md, &whole, 1);
	return text_hex(m, md, sizeof(md));
}
