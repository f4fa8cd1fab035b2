/* SPDX-License-Identifier: ISC */
/* fetch: where a redirection may lead. The file under test is included: what
 * decides is not for anybody else to call. */
#include "../../lib/edge/fetch.c"

#include <arpa/inet.h>

#include "tap.h"

static const struct {
	const char	*address;
	bool		 allowed;
} addresses[] = {
	/* this machine, its neighbours, its provider's secrets */
	{ "127.0.0.1", false }, { "127.255.255.254", false },
	{ "0.0.0.0", false }, { "10.0.0.1", false }, { "10.255.255.255", false },
	{ "172.16.0.1", false }, { "172.31.255.255", false },
	{ "192.168.0.1", false }, { "169.254.169.254", false },
	{ "100.64.0.1", false }, { "100.127.255.255", false },
	{ "192.0.0.8", false }, { "198.18.0.1", false },
	{ "224.0.0.1", false }, { "255.255.255.255", false },
	{ "::1", false }, { "::", false }, { "fe80::1", false },
	{ "fc00::1", false }, { "fd12:3456::1", false }, { "ff02::1", false },
	/* the same in disguise */
	{ "::ffff:127.0.0.1", false }, { "::ffff:169.254.169.254", false },
	{ "::10.0.0.1", false }, { "64:ff9b::7f00:1", false },
	{ "2002:7f00:1::1", false }, { "2002:a9fe:a9fe::1", false },
	{ "2001:0:1::1", false },
	/* and just beside them */
	{ "9.255.255.255", true }, { "11.0.0.0", true },
	{ "126.255.255.255", true }, { "128.0.0.1", true },
	{ "100.63.255.255", true }, { "100.128.0.0", true },
	{ "169.253.255.255", true }, { "169.255.0.0", true },
	{ "172.15.255.255", true }, { "172.32.0.0", true },
	{ "192.167.255.255", true }, { "192.169.0.0", true },
	{ "198.17.255.255", true }, { "198.20.0.0", true },
	{ "223.255.255.255", true }, { "52.95.110.1", true },
	{ "::ffff:52.95.110.1", true }, { "2600:1f18::1", true },
	{ "2a00:1450::1", true },
};

static bool
may_connect(const char *text, bool public_only)
{
	struct flight		 t = { .public_only = public_only };
	struct sockaddr_in	 v4 = { .sin_family = AF_INET };
	struct sockaddr_in6	 v6 = { .sin6_family = AF_INET6 };
	/* struct curl_sockaddr ends in an address of any length. */
	union {
		struct curl_sockaddr	 to;
		char			 room[sizeof(struct curl_sockaddr) +
					    sizeof(v6)];
	}			 u = { .to = { .socktype = SOCK_STREAM } };
	char			*place = u.room +
				    offsetof(struct curl_sockaddr, addr);
	curl_socket_t		 s;

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		u.to.family = AF_INET;
		memcpy(place, &v4, sizeof(v4));
	} else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
		u.to.family = AF_INET6;
		memcpy(place, &v6, sizeof(v6));
	} else {
		abort();
	}
	s = on_socket(&t, CURLSOCKTYPE_IPCXN, &u.to);
	if (s == CURL_SOCKET_BAD)
		return false;
	(void)close(s);
	return true;
}

/* Where a chain of redirections stands, and what it may do there. */
static void
test_redirects(struct mem *m)
{
	static const char *const away[] = { "https://a.example/",
	    "https://b.example:443/", "https://127.0.0.1/" };
	static const char *const never[] = { "https://a.example:8443/",
	    "https://a.example:80/", "https://127.0.0.1:22/",
	    "http://127.0.0.1/", "http://a.example/", "http://a.example:443/",
	    "ftp://a.example/", "file:///etc/passwd", "gopher://a.example:443/",
	    "https://", "x", "" };
	struct flight t = {
		.m = m,
		.q = { .url = "http://127.0.0.1:8090/v1", .user = "u",
		    .password = "p", .bearer = "b", .follow = true },
		.a = { .body = buf_new(m, 64) },
	};

	tap_ok(redirect(&t, away[0]) && !t.public_only,
	    "this machine may name a neighbour");
	tap_ok(t.q.user == NULL && t.q.password == NULL && t.q.bearer == NULL,
	    "no credentials go along");
	tap_ok(redirect(&t, away[1]) && t.public_only,
	    "somebody else's redirection may not");
	tap_ok(redirect(&t, away[2]) && t.public_only,
	    "nor what follows, though it claims to come from here");
	tap_ok(!t.a.refused, "none of these is refused");
	tap_ok(!redirect(&t, away[0]) && !t.a.refused, "three are enough");
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		t.redirects = 0;
		t.a.refused = false;
		tap_ok(!redirect(&t, never[i]) && t.a.refused,
		    "from outside, '%s' is refused", never[i]);
	}
	t.redirects = 0;
	tap_ok(!redirect(&t, NULL), "a redirection to nowhere is none");
	t.public_only = false;
	t.q.url = "http://127.0.0.1:8090/v1";
	tap_ok(redirect(&t, "http://localhost:8091/") && !t.public_only,
	    "this machine may name another port of its own");
	tap_ok(!redirect(&t, "http://a.example/"),
	    "and nobody else's without TLS");
	t.q.follow = t.a.refused = false;
	tap_ok(!redirect(&t, away[0]) && !t.a.refused,
	    "none is followed unless asked");
}

static const struct {
	const char	*value;
	long		 wait;
} waits[] = {
	{ "0", 0 }, { "120", 120 }, { "-1", 0 }, { "soon", -1 }, { "", -1 },
	{ "99999999999", 99999999999 }, { "1.5", -1 },
	{ "Tue, 01 Sep 2026 10:00:00 GMT", 60 },
	{ "Tuesday, 01-Sep-26 10:00:00 GMT", 60 },
	{ "Tue Sep  1 10:00:00 2026", 60 },
	{ "Tue, 01 Sep 2026 09:00:00 GMT", 0 },
	{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
};

static void
test_waits(void)
{
	const time_t now = 1788256740;	/* 2026-09-01 09:59:00 UTC */

	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		long got = seconds_until(waits[i].value, now);

		tap_ok(got == waits[i].wait, "Retry-After: %s: %ld",
		    waits[i].value, got);
	}
}

int
main(void)
{
	struct mem *m = mem_new();
	int	probe = socket(AF_INET6, SOCK_STREAM, 0);
	bool	no_v6 = probe < 0;

	if (!no_v6)
		(void)close(probe);
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		const char *text = addresses[i].address;

		if (no_v6 && addresses[i].allowed && strchr(text, ':') != NULL)
			continue;
		tap_ok(may_connect(text, true) == addresses[i].allowed,
		    "%s is %s", text, addresses[i].allowed ? "public" :
		    "not public");
	}
	tap_ok(may_connect("127.0.0.1", false),
	    "a server that is configured on this machine is reached");
	test_redirects(m);
	test_waits();
	mem_free(m);
	return tap_done();
}
