/* SPDX-License-Identifier: ISC */
/* guess: who has tried too many wrong keys, minute by minute. */
#include "edge/guess.h"

#include <stdlib.h>

#include "base/metric.h"
#include "edge/address.h"
#include "tap.h"

static long	wait_s;

/* How many of n wrong keys, one each every_ms, are not too many. */
static long
allowed(const char *from, long start_ms, long n, long every_ms, long most)
{
	long good = 0;

	for (long i = 0; i < n; i++)
		good += guess_count(from, start_ms + i * every_ms, most,
		    &wait_s);
	return good;
}

static void
test_addresses(void)
{
	static const struct { const char *a, *b; bool same; } pairs[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true },
		{ "2001:db8:1:2::1", "2001:db8:1:3::1", false },
		{ "2001:db8::1", "192.0.2.1", false },
		{ "-", "", true }, { "192.0.2.1", "192.0.2.1 ", false },
	};

	for (size_t i = 0; i < COUNT(pairs); i++)
		tap_ok((address_net(pairs[i].a) == address_net(pairs[i].b)) ==
		    pairs[i].same, "%s and %s are %s", pairs[i].a, pairs[i].b,
		    pairs[i].same ? "one" : "two");
}

int
main(void)
{
	const long	t = 1000 * 1000;
	char		text[32];
	long		good = 0;

	test_addresses();
	tap_ok(allowed("192.0.2.1", t, 1000, 0, 10) == 10, "ten at once");
	tap_ok(wait_s == 6, "the next in six seconds: %ld", wait_s);
	tap_ok(!guess_count("192.0.2.1", t + 5999, 10, &wait_s) && wait_s == 1,
	    "not a moment before");
	tap_ok(guess_count("192.0.2.1", t + 6000, 10, &wait_s), "but then");
	tap_ok(!guess_count("192.0.2.1", t + 6000, 10, &wait_s),
	    "and no other with it");
	tap_ok(allowed("192.0.2.1", t + 6000 + 60000, 20, 0, 10) == 10,
	    "a minute later it is as if nothing had been");
	tap_ok(allowed("192.0.2.2", t, 6000, 100, 10) == 109,
	    "ten minutes of it: ten a minute, and those at once");
	tap_ok(allowed("192.0.2.3", t, 10, 0, 1) == 1, "or one a minute");
	tap_ok(allowed("192.0.2.4", t, 2000, 0, 1000000) == 2000,
	    "or a million");
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(text, sizeof(text), "2001:db8:7:7::%x", i);
		good += guess_count(text, t, 10, &wait_s);
	}
	tap_ok(good == 10, "a thousand addresses of one /64 are one");
	tap_ok(allowed("192.0.2.5", t, 5, 0, 10) == 5 &&
	    allowed("192.0.2.5", 10, 20, 0, 10) == 10,
	    "what was counted before the machine started does not count");
	good = 0;
	for (int i = 0; i < 100000; i++) {
		(void)snprintf(text, sizeof(text), "10.%d.%d.%d", i >> 16,
		    i >> 8 & 255, i & 255);
		good += guess_count(text, t + 120000, 10, &wait_s);
	}
	tap_ok(good == 100000, "each of 100,000 addresses may be wrong once");
	return tap_done();
}
