/* SPDX-License-Identifier: ISC */
/* Fuzzer of where requests may go: input is the URL that was asked for, then
 * a line for each redirection. What is taken for this machine is this machine
 * to libcurl, too, and a redirection never carries credentials, comes to an
 * end, and once off this machine does not come back. fetch.c is included: who
 * decides is not for anybody else to call. */
#include "fuzz.h"

#include <arpa/inet.h>

#include "../../lib/edge/fetch.c"

/* As CURLOPT_URL reads it, which forgives more than our own check. */
static bool
leads_here(const char *url)
{
	CURLU		*u = curl_url();
	char		*host = NULL;
	struct in_addr	 a;
	bool		 here = false;

	if (curl_url_set(u, CURLUPART_URL, url, CURLU_GUESS_SCHEME |
	    CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK && curl_url_get(u,
	    CURLUPART_HOST, &host, 0) == CURLUE_OK)
		here = strcmp(host, "localhost") == 0 ||
		    strcmp(host, "[::1]") == 0 ||
		    (inet_pton(AF_INET, host, &a) == 1 &&
		    ntohl(a.s_addr) >> 24 == 127);
	curl_free(host);
	curl_url_cleanup(u);
	return here;
}

static bool
is_private_text(const char *text)
{
	struct sockaddr_in	v4 = { .sin_family = AF_INET };
	struct sockaddr_in6	v6 = { .sin6_family = AF_INET6 };

	return inet_pton(AF_INET, text, &v4.sin_addr) == 1 ?
	    address_is_private((const struct sockaddr *)(const void *)&v4) :
	    inet_pton(AF_INET6, text, &v6.sin6_addr) == 1 &&
	    address_is_private((const struct sockaddr *)(const void *)&v6);
}

/* Any v4 address, in whatever dress, is as private as it is plain. */
static void
check_address(const uint8_t *b)
{
	char	plain[64], dressed[64];
	bool	private;

	(void)snprintf(plain, sizeof(plain), "%u.%u.%u.%u", b[0], b[1], b[2],
	    b[3]);
	private = is_private_text(plain);
	must(private || (b[0] != 0 && b[0] != 10 && b[0] != 127 &&
	    b[0] < 224));
	(void)snprintf(dressed, sizeof(dressed), "::ffff:%s", plain);
	must(is_private_text(dressed) == private);
	(void)snprintf(dressed, sizeof(dressed), "2002:%02x%02x:%02x%02x::1",
	    b[0], b[1], b[2], b[3]);
	must(is_private_text(dressed));
	(void)snprintf(dressed, sizeof(dressed), "64:ff9b::%s", plain);
	must(is_private_text(dressed));
}

static void
check_chain(struct mem *m, struct rest *r)
{
	struct flight	 t = {
		.m = m,
		.q = { .url = rest_line(m, r), .user = "user",
		    .password = "password", .bearer = "bearer",
		    .follow = true },
		.a = { .body = buf_new(m, 64) },
	};
	bool		 away = !cfg_is_loopback(t.q.url);
	int		 hops = 0;

	while (r->n > 0) {
		if (cfg_is_loopback(t.q.url))
			must(leads_here(t.q.url));
		away = away || !cfg_is_loopback(t.q.url);
		if (!redirect(&t, rest_line(m, r)))
			break;
		must(++hops <= MAX_REDIRECTS);
		must(t.q.user == NULL && t.q.password == NULL &&
		    t.q.bearer == NULL);
		must(t.public_only == away);
	}
	must(!redirect(&t, NULL));
	t.q.follow = false;
	must(!redirect(&t, "https://h.example/"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct rest	 r = { (const char *)bytes, n };
	struct mem	*m = mem_new();

	if (n >= 4)
		check_address(bytes);
	check_chain(m, &r);
	mem_free(m);
	return 0;
}
