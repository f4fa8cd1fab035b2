/* SPDX-License-Identifier: ISC */
/* sign_forged: a million signatures that nobody with the token made, none of
 * them accepted; and what they were made of is, so the test can tell. Of
 * twelve kinds, as t/security-forged.t has them over HTTP. */
#include "format/sign.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tap.h"

#define TOKEN	"12345678901234567890123456789012"
#define URL	"https://voice.example.com/api/twilio/voice"
#define PAIRS	8
#define MAC	28		/* characters of a signature */

/* Instrumented code is ten times slower; under valgrind (T_FEW) fifty. */
#if defined(__SANITIZE_ADDRESS__)
#define FORGERIES	100000L
#else
#define FORGERIES	1000000L
#endif

/* xorshift64: chance that is the same on every machine. */
static unsigned long long state;

static unsigned long
draw(unsigned long below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned long)(state % below);
}

struct request {
	char			 url[256];
	char			 token[80];
	char			 signature[64];
	char			 text[PAIRS + 1][2][64];	/* names, values */
	struct form_pair	 pairs[PAIRS + 1];
	struct form		 form;
};

/* As form_parse() leaves it. */
static struct form *
sealed(struct mem *m, struct request *r)
{
	form_seal(&r->form, m);
	return &r->form;
}

static void
refer(struct request *r, size_t i)
{
	struct form_pair *p = &r->pairs[i];

	p->name = r->text[i][0];
	p->name_bytes = strlen(p->name);
	p->value = p->text = r->text[i][1];
	p->value_bytes = strlen(p->value);
}

static void
put(struct request *r, size_t i, const char *name, const char *value)
{
	(void)snprintf(r->text[i][0], sizeof(r->text[i][0]), "%s", name);
	(void)snprintf(r->text[i][1], sizeof(r->text[i][1]), "%s", value);
	refer(r, i);
}

static void
digits(char *s, size_t n, const char *of)
{
	size_t count = strlen(of);

	for (size_t i = 0; i < n; i++)
		s[i] = of[draw(count)];
	s[n] = '\0';
}

static void
make(struct mem *m, struct request *r)
{
	static const char	 hex[] = "0123456789abcdef";
	char			 sid[40] = "CA", from[16] = "+1415555";

	memset(r, 0, sizeof(*r));
	digits(sid + 2, 32, hex);
	digits(from + 8, 4, "0123456789");
	put(r, 0, "AccountSid", "AC00000000000000000000000000000001");
	put(r, 1, "CallSid", sid);
	put(r, 2, "CallStatus", "ringing");
	put(r, 3, "Direction", "inbound");
	put(r, 4, "From", from);
	put(r, 5, "To", "+15005550009");
	put(r, 6, "FromCity", "");
	put(r, 7, "ApiVersion", "2010-04-01");
	r->form = (struct form){ .pairs = r->pairs, .count = PAIRS };
	(void)snprintf(r->url, sizeof(r->url), "%s", URL);
	(void)snprintf(r->token, sizeof(r->token), "%s", TOKEN);
	(void)snprintf(r->signature, sizeof(r->signature), "%s",
	    sign_make(m, TOKEN, URL, sealed(m, r)));
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
    "wxyz0123456789+/";

/* One character becomes another; the text may be empty. */
static void
other_character(char *s)
{
	size_t	n = strlen(s), at;
	char	c;

	if (n == 0) {
		memcpy(s, "x", 2);
		return;
	}
	at = draw(n);
	do
		c = (char)(' ' + draw(95));
	while (c == s[at]);
	s[at] = c;
}

static void
bit(struct mem *m, struct request *r)
{
	char		*p = r->signature + draw(MAC - 1);
	const char	*digit = strchr(base64, *p);

	(void)m;
	if (digit == NULL)
		abort();
	/* The last digit carries four bits; the others six. */
	*p = base64[(digit - base64) ^ (p == r->signature + MAC - 2 ?
	    4 << draw(4) : 1 << draw(6))];
}

static void
random_signature(struct mem *m, struct request *r)
{
	(void)m;
	digits(r->signature, MAC - 2, base64);
	r->signature[MAC - 2] = "AEIMQUYcgkosw048"[draw(16)];
	memcpy(r->signature + MAC - 1, "=", 2);
}

static void
no_shape(struct mem *m, struct request *r)
{
	char *s = r->signature;

	(void)m;
	switch (draw(5)) {
	case 0:
		s[draw(MAC)] = '\0';
		break;
	case 1:
		memcpy(s + MAC, "=", 2);
		break;
	case 2:
		memmove(s + 1, s, MAC + 1);
		s[0] = base64[draw(64)];
		break;
	case 3:
		s[draw(MAC - 1)] = "-_ \t\n=%~"[draw(8)];
		break;
	default:
		memcpy(s + MAC, "\n", 2);
	}
}

static void
of_another(struct mem *m, struct request *r)
{
	struct request other;

	make(m, &other);
	memcpy(r->signature, other.signature, sizeof(r->signature));
}

static void
token(struct mem *m, struct request *r)
{
	(void)m;
	if (draw(8) == 0)
		r->token[draw(strlen(r->token))] = '\0';
	else
		other_character(r->token);
}

static void
url(struct mem *m, struct request *r)
{
	(void)m;
	/* Neither a port nor a fragment, which are not its to decide. */
	do {
		(void)snprintf(r->url, sizeof(r->url), "%s", URL);
		other_character(r->url);
	} while (strpbrk(r->url + 8, ":#@[") != NULL);
}

static void
value(struct mem *m, struct request *r)
{
	size_t i = draw(r->form.count);

	(void)m;
	other_character(r->text[i][1]);
	refer(r, i);
}

static void
name(struct mem *m, struct request *r)
{
	size_t i = draw(r->form.count);

	(void)m;
	other_character(r->text[i][0]);
	refer(r, i);
}

static void
one_less(struct mem *m, struct request *r)
{
	size_t i = draw(r->form.count);

	(void)m;
	r->pairs[i] = r->pairs[--r->form.count];
}

static void
one_more(struct mem *m, struct request *r)
{
	char text[12];

	(void)m;
	digits(text, 1 + draw(8), base64);
	put(r, r->form.count++, text, draw(2) == 0 ? "" : "1");
}

static void
twice(struct mem *m, struct request *r)
{
	size_t i = draw(r->form.count);

	(void)m;
	put(r, r->form.count, r->text[i][0], r->text[i][1]);
	other_character(r->text[r->form.count][1]);
	refer(r, r->form.count++);
}

static void
body(struct mem *m, struct request *r)
{
	/* Signed by its URL alone, as JSON would be. */
	(void)snprintf(r->signature, sizeof(r->signature), "%s",
	    sign_make(m, TOKEN, r->url, NULL));
}

static const struct {
	const char	*what;
	void		(*forge)(struct mem *, struct request *);
} kinds[] = {
	{ "a bit of the signature", bit },
	{ "a signature of chance", random_signature },
	{ "no signature in that shape", no_shape },
	{ "the signature of another request", of_another },
	{ "another token", token },
	{ "another URL", url },
	{ "a value", value },
	{ "a name", name },
	{ "a parameter less", one_less },
	{ "a parameter more", one_more },
	{ "a value twice", twice },
	{ "the signature of the URL alone", body },
};

#define KINDS	(sizeof(kinds) / sizeof(kinds[0]))

static enum sign_result
check(struct mem *m, struct request *r)
{
	return sign_check(r->signature, r->token, r->url, sealed(m, r), NULL,
	    0);
}

int
main(void)
{
	const char	*seed = getenv("T_SEED"), *few = getenv("T_FEW");
	const long	 all = few == NULL ? FORGERIES : FORGERIES / 1000;
	struct request	 r;
	struct mem	*m;
	long		 accepted[KINDS] = { 0 }, genuine = 0, rounds = 0;

	state = 88172645463325252ULL + (seed == NULL ? 0 :
	    strtoull(seed, NULL, 10));
	for (long i = 0; i < all; i++) {
		size_t kind = (size_t)i % KINDS;

		m = mem_new();
		make(m, &r);
		if (kind == 0) {
			rounds++;
			genuine += check(m, &r) == SIGN_EXACT;
		}
		kinds[kind].forge(m, &r);
		if (check(m, &r) != SIGN_BAD)
			accepted[kind]++;
		mem_free(m);
	}
	for (size_t i = 0; i < KINDS; i++)
		tap_ok(accepted[i] == 0, "of %ld forgeries, %s: %ld accepted",
		    all / (long)KINDS, kinds[i].what, accepted[i]);
	tap_ok(genuine == rounds, "%ld genuine ones among them are", rounds);
	return tap_done();
}
