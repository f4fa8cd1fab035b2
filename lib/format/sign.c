/* SPDX-License-Identifier: ISC */
/* sign: the HMAC over a URL and a sorted form, for each spelling of the URL
 * that Twilio may have had before it when it signed. */
#include "format/sign.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/text.h"

#include "base/banned.h"

#define SIGNATURE_CHARS		28
#define BODY_HASH		"bodySHA256="
#define PORTS			2
#define QUERIES			4

/* The MAC over the URL and what the form adds to it. */
static char *
signature(struct mem *m, const char *token, const char *url,
    const struct form *f)
{
	const struct digest_piece pieces[] = {
		{ url, strlen(url) },
		{ f == NULL ? NULL : f->signed_part,
		    f == NULL ? 0 : f->signed_bytes },
	};
	unsigned char mac[DIGEST_SHA1_BYTES];

	digest_hmac_sha1(mac, token, strlen(token), pieces, f == NULL ? 1 : 2);
	return text_base64(m, mac, sizeof(mac));
}

/* What follows '#' stays with the sender: it never reaches a server. */
static const char *
without_fragment(struct mem *m, const char *url)
{
	const char *hash = strchr(url, '#');

	return hash == NULL ? url : mem_dup_n(m, url, (size_t)(hash - url));
}

/* The URL without its port if it has one, or else with the scheme's own. An
 * '@' ends the user's name, a ']' an IPv6 address: colons before them are
 * no port. */
static const char *
other_port(struct mem *m, const char *url)
{
	const char	*host = strstr(url, "://"), *end, *port = NULL;

	if (host == NULL)
		return url;
	host += 3;
	end = host + strcspn(host, "/?");
	for (const char *p = host; p < end; p++) {
		if (*p == '@' || *p == ']')
			port = NULL;
		else if (*p == ':' && port == NULL)
			port = p;
	}
	if (port != NULL)
		return mem_printf(m, "%.*s%s", (int)(port - url), url, end);
	return mem_printf(m, "%.*s%s%s", (int)(end - url), url,
	    strncasecmp(url, "https:", 6) == 0 ? ":443" : ":80", end);
}

/* How the characters ' @ : are spelled in the query. */
enum query { AS_SENT, PLAIN, QUOTE_ESCAPED, ALL_ESCAPED };

static const struct escape {
	char		 plain;
	char		 escaped[4];
	enum query	 first;		/* the first spelling to escape it */
} escapes[] = {
	{ '\'',	"%27",	QUOTE_ESCAPED },	/* WHATWG's URL does */
	{ '@',	"%40",	ALL_ESCAPED },		/* older URL writers do */
	{ ':',	"%3A",	ALL_ESCAPED },
};

static const struct escape *
escape_at(const char *p, size_t *bytes)
{
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		if (*p == escapes[i].plain) {
			*bytes = 1;
			return &escapes[i];
		}
		if (strncasecmp(p, escapes[i].escaped, 3) == 0) {
			*bytes = 3;
			return &escapes[i];
		}
	}
	return NULL;
}

/* Twilio has signed these three one way and sent them the other. */
static const char *
respell(struct mem *m, const char *url, enum query spelling)
{
	const struct escape	*x;
	const char		*query = url + strcspn(url, "?");
	struct buf		*out = buf_new(m, SIZE_MAX / 4);
	size_t			 n;

	buf_add(out, url, (size_t)(query - url));
	for (const char *p = query; *p != '\0'; p += n) {
		n = 1;
		x = escape_at(p, &n);
		if (x == NULL)
			buf_add(out, p, n);
		else if (spelling >= x->first)
			buf_str(out, x->escaped);
		else
			buf_chr(out, x->plain);
	}
	return out->s;
}

/* The strict shape of base64 of 20 bytes: the last digit carries 4 bits. */
static bool
is_signature(const char *s)
{
	static const char last[] = "AEIMQUYcgkosw048";

	return s != NULL && strlen(s) == SIGNATURE_CHARS &&
	    text_span(s, "+/") == SIGNATURE_CHARS - 1 &&
	    s[SIGNATURE_CHARS - 1] == '=' &&
	    strchr(last, s[SIGNATURE_CHARS - 2]) != NULL;
}

static bool
is_hash_of(struct mem *m, const char *claim, size_t claim_bytes,
    const void *body, size_t body_bytes)
{
	const char *hex = text_sha256(m, body_bytes == 0 ? "" : body,
	    body_bytes);

	return claim_bytes == strlen(hex) &&
	    CRYPTO_memcmp(claim, hex, claim_bytes) == 0;
}

/* Something must vouch for the body: the form that was read from it, or its
 * hash in the signed URL. Twilio never sends both, so both is a trick. */
static bool
body_is_covered(struct mem *m, const char *url, const struct form *f,
    const void *body, size_t body_bytes)
{
	bool hashed = false;

	for (const char *p = strchr(url, '?'); p != NULL; p = strchr(p, '&')) {
		p++;
		if (!text_starts(p, BODY_HASH))
			continue;
		p += strlen(BODY_HASH);
		if (!is_hash_of(m, p, strcspn(p, "&"), body, body_bytes))
			return false;
		hashed = true;
	}
	if (hashed)
		return f == NULL || f->count == 0;
	return f != NULL || body_bytes == 0;
}

char *
sign_make(struct mem *m, const char *token, const char *url,
    const struct form *f)
{
	return signature(m, token, without_fragment(m, url), f);
}

/* Spelling after spelling, the likeliest first: who gets past the first of
 * them with a wrong signature has learnt nothing. */
static enum sign_result
check(struct mem *m, const char *header, const char *token, const char *given,
    const struct form *f)
{
	const char *base, *url;

	for (int query = AS_SENT; query < QUERIES; query++) {
		for (int port = 0; port < PORTS; port++) {
			base = port == 0 ? given : other_port(m, given);
			url = query == AS_SENT ? base :
			    respell(m, base, (enum query)query);
			if (query != AS_SENT && strcmp(url, base) == 0)
				continue;
			if (CRYPTO_memcmp(signature(m, token, url, f), header,
			    SIGNATURE_CHARS) != 0)
				continue;
			return query != AS_SENT ? SIGN_ESCAPED :
			    port == 0 ? SIGN_EXACT :
			    strlen(url) > strlen(given) ? SIGN_DEFAULT_PORT :
			    SIGN_NO_PORT;
		}
	}
	return SIGN_BAD;
}

enum sign_result
sign_check(const char *header, const char *token, const char *url,
    const struct form *f, const void *body, size_t body_bytes)
{
	enum sign_result	 result = SIGN_BAD;
	struct mem		*m;
	const char		*given;

	if (!is_signature(header) || token == NULL || token[0] == '\0')
		return SIGN_BAD;
	m = mem_new();
	given = without_fragment(m, url);
	if (body_is_covered(m, given, f, body, body_bytes))
		result = check(m, header, token, given, f);
	mem_free(m);
	return result;
}
