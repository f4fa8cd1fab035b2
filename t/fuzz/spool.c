/* SPDX-License-Identifier: ISC */
/* Fuzzer of spool_parse(): a record whose digest is right gives back what it
 * was made of, whatever stands behind it; with one bit changed it is refused,
 * and so is what claims to be longer than it is. */
#include "fuzz.h"

#include "base/text.h"
#include "edge/spool.h"

static bool
parses(struct mem *m, const char *s, size_t n, struct spool_record *r)
{
	struct err	e;
	bool		ok;

	err_clear(&e);
	ok = spool_parse(m, s, n, r, &e);
	must(ok || e.kind == ERR_INPUT);
	return ok;
}

static struct buf *
sealed(struct mem *m, const void *s, size_t n)
{
	struct buf *b = buf_new(m, SIZE_MAX / 4);

	buf_printf(b, "ringback-spool 1 %s %zu\n", text_sha256(m, s, n), n);
	buf_add(b, s, n);
	return b;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct mem		*m = mem_new();
	struct buf		*b = sealed(m, bytes, n), *same;
	size_t			 head = b->len - n, lines = 0;
	struct spool_record	 r;

	(void)parses(m, (const char *)bytes, n, &r);
	for (size_t i = 0; i < n; i++)
		lines += bytes[i] == '\n';
	must(parses(m, b->s, b->len, &r) == (lines >= 4));
	if (lines >= 4 && memchr(bytes, '\0', n) == NULL) {
		same = buf_new(m, SIZE_MAX / 4);
		buf_printf(same, "%s\n%s\n%s\n%s\n", r.route, r.uri,
		    r.received_at, r.verified);
		buf_add(same, r.body, r.body_bytes);
		must(same->len == n && memcmp(same->s, bytes, n) == 0);
	}
	if (n == 0) {
		mem_free(m);
		return 0;
	}
	must(!parses(m, b->s, b->len - 1, &r));
	b->s[head + n / 2] ^= 1;
	must(!parses(m, b->s, b->len, &r));
	b->s[head + n / 2] ^= 1;
	b->s[17 + bytes[0] % 64] ^= 1;		/* in the digest */
	must(!parses(m, b->s, b->len, &r));
	b->s[17 + bytes[0] % 64] ^= 1;
	buf_add(b, "\0left over", 10);		/* as in a slot of the reserve */
	must(parses(m, b->s, b->len, &r) == (lines >= 4));
	mem_free(m);
	return 0;
}
