/* SPDX-License-Identifier: ISC */
/* least: one pass over the form, then the hashes, then the statement. */
#include "least.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/digest.h"
#include "base/text.h"

#define BODY_BYTES	65536
#define VALUES		14

enum field { ACCOUNT, CALL, STATUS, DIRECTION, FROM, STIR, TO, FIELDS };

static const struct {
	const char	*name;
	size_t		 n;
} names[FIELDS] = {
	[ACCOUNT] = { "AccountSid", 10 }, [CALL] = { "CallSid", 7 },
	[STATUS] = { "CallStatus", 10 }, [DIRECTION] = { "Direction", 9 },
	[FROM] = { "From", 4 }, [STIR] = { "StirVerstat", 11 },
	[TO] = { "To", 2 },
};

static const char	*base, *token;
static char		 body[BODY_BYTES], room[BODY_BYTES];
static size_t		 body_bytes;
/* What Twilio signs: the URL, then names and values with nothing between. */
static char		 signed_part[BODY_BYTES + 4096];
static size_t		 url_bytes, signed_bytes;
static const char	*fields[FIELDS];
static char		 lines[8192];
static size_t		 line_bytes;

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ?
	    c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* To what, and how far: up to stop or '&'. */
static const char *
decode(char **to, const char *s, const char *end, char stop)
{
	char *p = *to;

	for (; s < end && *s != '&' && *s != stop; s++) {
		if (*s == '%' && end - s > 2 && digit(s[1]) >= 0 &&
		    digit(s[2]) >= 0) {
			*p++ = (char)(digit(s[1]) * 16 + digit(s[2]));
			s += 2;
		} else {
			*p++ = *s == '+' ? ' ' : *s;
		}
	}
	*to = p;
	return s;
}

static bool
is_behind(const char *name, size_t n, const char *before, size_t before_n)
{
	int order = memcmp(name, before, n < before_n ? n : before_n);

	return order > 0 || (order == 0 && n > before_n);
}

static void
keep(const char *name, size_t n, const char *value, size_t value_n, char **to)
{
	for (enum field i = 0; i < FIELDS; i++) {
		if (names[i].n != n || memcmp(names[i].name, name, n) != 0)
			continue;
		memcpy(*to, value, value_n);
		(*to)[value_n] = '\0';
		fields[i] = *to;
		*to += value_n + 1;
	}
}

static bool
read_form(const char *uri)
{
	const char	*s = body, *end = body + body_bytes, *before = "";
	char		*p = signed_part, *name, *value, *kept = room;
	size_t		 before_n = 0;

	memset(fields, 0, sizeof(fields));
	p = stpcpy(stpcpy(p, base), uri);
	url_bytes = (size_t)(p - signed_part);
	while (s < end) {
		name = p;
		s = decode(&p, s, end, '=');
		value = p;
		if (s < end && *s == '=')
			s = decode(&p, s + 1, end, '&');
		s += s < end;
		if (!is_behind(name, (size_t)(value - name), before, before_n))
			return false;
		before = name;
		before_n = (size_t)(value - name);
		keep(name, before_n, value, (size_t)(p - value), &kept);
	}
	signed_bytes = (size_t)(p - signed_part);
	return text_is_utf8(signed_part, signed_bytes);
}

static bool
is_signed(const char *signature)
{
	const struct digest_piece piece = { signed_part, signed_bytes };
	unsigned char	 mac[DIGEST_SHA1_BYTES], text[32];

	digest_hmac_sha1(mac, token, strlen(token), &piece, 1);
	(void)EVP_EncodeBlock(text, mac, sizeof(mac));
	return signature != NULL && strlen(signature) == 28 &&
	    CRYPTO_memcmp(text, signature, 28) == 0;
}

/* Of the time and half of the hash, as ringback makes it. */
static void
make_id(unsigned char id[16], const unsigned char *half)
{
	struct timespec	t;
	uint64_t	ms;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	memcpy(id, half, 16);
	for (int i = 0; i < 6; i++)
		id[i] = (unsigned char)(ms >> (8 * (5 - i)));
	id[6] = (unsigned char)((id[6] & 0x0f) | 0x70);
	id[8] = (unsigned char)((id[8] & 0x3f) | 0x80);
}

static bool
is_word(const char *s)
{
	return s != NULL && s[text_span(s, "-_")] == '\0';
}

bool
least_store(FCGX_Request *q, PGconn *db)
{
	static const char kind[] = "/api/twilio/voice";
	static const int  formats[VALUES] = { [0] = 1, [6] = 1, [7] = 1 };
	const char	*uri = FCGX_GetParam("REQUEST_URI", q->envp);
	unsigned char	 hash[DIGEST_SHA256_BYTES], id[16];
	char		 notes[128], *p;
	PGresult	*r;
	bool		 ok;
	int		 n;

	if (base == NULL && ((token = getenv("TOKEN")) == NULL ||
	    (base = getenv("BASE")) == NULL))
		return false;
	body_bytes = 0;
	while ((n = FCGX_GetStr(body + body_bytes, (int)(sizeof(body) -
	    body_bytes), q->in)) > 0)
		body_bytes += (size_t)n;
	if (uri == NULL || strlen(uri) > 2048 || !read_form(uri) ||
	    !is_signed(FCGX_GetParam("HTTP_X_TWILIO_SIGNATURE", q->envp)) ||
	    !is_word(fields[CALL]) || !is_word(fields[STATUS]) ||
	    !is_word(fields[STIR]) || strlen(fields[STIR]) > 64)
		return false;
	digest_sha256(hash, (struct digest_piece[]){ { kind, sizeof(kind) },
	    { signed_part + url_bytes, signed_bytes - url_bytes } }, 2);
	make_id(id, hash + 16);
	p = stpcpy(notes, "{\"StirVerstat\":\"");
	(void)stpcpy(stpcpy(p, fields[STIR]), "\"}");
	r = PQexecPrepared(db, "least", VALUES, (const char *[]){
	    (char *)hash, kind, uri, fields[ACCOUNT], fields[CALL],
	    fields[STATUS], body, (char *)id, "t", notes, fields[FROM],
	    fields[TO], fields[DIRECTION], NULL },
	    (const int []){ [0] = 16, [6] = (int)body_bytes, [7] = 16,
	    [VALUES - 1] = 0 }, formats, 0);
	ok = PQresultStatus(r) == PGRES_COMMAND_OK;
	PQclear(r);
	return ok;
}

void
least_log(void)
{
	struct timespec	 t;
	char		 number[TEXT_DECIMAL_BYTES], *p = lines + line_bytes;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	p = stpcpy(p, text_decimal(number, (unsigned long)t.tv_sec));
	p = stpcpy(p, " least[");
	p = stpcpy(p, text_decimal(number, (unsigned long)getpid()));
	p = stpcpy(p, "]: request method=POST path=/api/twilio/voice status=200"
	    " sid=");
	p = stpcpy(stpcpy(p, fields[CALL]), " kept=database\n");
	line_bytes = (size_t)(p - lines);
	if (line_bytes < sizeof(lines) - 512)
		return;
	if (write(STDERR_FILENO, lines, line_bytes) < 0)
		abort();
	line_bytes = 0;
}
