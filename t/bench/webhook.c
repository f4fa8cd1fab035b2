/* SPDX-License-Identifier: ISC */
/* webhook: a form with places for what makes each request another, signed as
 * Twilio signs. */
#include "webhook.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#define MAX_SLOTS	32
#define DIGITS		32

/* A text with places where the digits go. */
struct mould {
	char	text[WEBHOOK_MAX];
	size_t	len, slots, slot[MAX_SLOTS];
};

static struct mould	 body, signed_text;
static EVP_MAC_CTX	*mac;
static char		 head[512];
static uint64_t		 seed;

static void
die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
put(struct mould *m, char c, bool encode)
{
	if (m->len + 4 >= sizeof(m->text))
		exit(64);
	if (c == '@') {
		if (m->slots == MAX_SLOTS || m->len + DIGITS >= sizeof(m->text))
			exit(64);
		m->slot[m->slots++] = m->len;
		m->len += DIGITS;
	} else if (!encode || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
	    c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z')) {
		m->text[m->len++] = c;
	} else {
		m->len += (size_t)sprintf(m->text + m->len, "%%%02X",
		    (unsigned char)c);
	}
}

static void
read_form(const char *file)
{
	FILE	*fp = fopen(file, "r");
	char	 line[2048], *value;

	if (fp == NULL)
		die(file);
	while (fgets(line, sizeof(line), fp) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if ((value = strchr(line, '=')) == NULL)
			continue;
		*value++ = '\0';
		if (body.len != 0)
			put(&body, '&', false);
		for (const char *p = line; *p != '\0'; p++) {
			put(&body, *p, true);
			put(&signed_text, *p, false);
		}
		put(&body, '=', false);
		for (const char *p = value; *p != '\0'; p++) {
			put(&body, *p, true);
			put(&signed_text, *p, false);
		}
	}
	fclose(fp);
}

static uint64_t
mixed(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static void
fill(struct mould *m, const char *digits)
{
	for (size_t i = 0; i < m->slots; i++)
		memcpy(m->text + m->slot[i], digits, DIGITS);
}

size_t
webhook_make(char *wire, long serial)
{
	char		digits[DIGITS + 1], signature[64];
	unsigned char	md[32];
	size_t		n;

	sprintf(digits, "%016llx%016llx",
	    (unsigned long long)mixed(seed + (uint64_t)serial * 2),
	    (unsigned long long)mixed(seed + (uint64_t)serial * 2 + 1));
	fill(&body, digits);
	fill(&signed_text, digits);
	if (!EVP_MAC_init(mac, NULL, 0, NULL) || !EVP_MAC_update(mac,
	    (unsigned char *)signed_text.text, signed_text.len) ||
	    !EVP_MAC_final(mac, md, &n, sizeof(md)))
		die("HMAC");
	EVP_EncodeBlock((unsigned char *)signature, md, (int)n);
	n = (size_t)snprintf(wire, WEBHOOK_MAX / 2, "%sContent-Length: %zu"
	    "\r\nX-Twilio-Signature: %s\r\n\r\n", head, body.len, signature);
	memcpy(wire + n, body.text, body.len);
	return n + body.len;
}

static void
prepare_signing(const char *token)
{
	OSSL_PARAM	 params[2];
	char		 sha1[] = "SHA1";

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	    sha1, 0);
	params[1] = OSSL_PARAM_construct_end();
	mac = EVP_MAC_CTX_new(EVP_MAC_fetch(NULL, "HMAC", NULL));
	if (!EVP_MAC_init(mac, (const unsigned char *)token, strlen(token),
	    params))
		die("HMAC");
}

void
webhook_prepare(int port, const char *path, const char *token,
    const char *form)
{
	char url[256];

	snprintf(url, sizeof(url), "https://127.0.0.1:%d%s", port, path);
	for (const char *p = url; *p != '\0'; p++)
		put(&signed_text, *p, false);
	snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\n"
	    "Host: 127.0.0.1:%d\r\nUser-Agent: TwilioProxy/1.1\r\n"
	    "Content-Type: application/x-www-form-urlencoded\r\n", path,
	    port);
	read_form(form);
	if (body.len > WEBHOOK_MAX / 2)
		exit(64);
	prepare_signing(token);
	seed = mixed((uint64_t)time(NULL) << 20 ^ (uint64_t)getpid());
}
