/* SPDX-License-Identifier: ISC */
/* cfg: which hosts are this machine, and lines of a file that are no line.
 * t/config.t has the settings themselves. */
#include "base/cfg.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define BYTES(s)	s, sizeof(s) - 1

static const struct {
	const char	*url;
	bool		 here;
} urls[] = {
	{ "http://127.0.0.1/", true }, { "http://127.255.255.254:80/a", true },
	{ "https://localhost", true }, { "http://[::1]:8090/v1", true },
	/* as libcurl reads them */
	{ "http://127.1/", true }, { "http://0x7f000001/", true },
	/* names, for libcurl, and so whatever a name server says they are */
	{ "http://127.0.0.300/", false }, { "http://127.0.0.30706433/", false },
	{ "http://127.+0.0.1/", false }, { "http://127.0.0.1.example/", false },
	{ "http://127.example/", false }, { "http://localhost.example/", false },
	{ "http://126.0.0.1/", false }, { "http://128.0.0.1/", false },
	{ "http://[::2]/", false }, { "http://127.0.0.1@h.example/", false },
	{ "ftp://127.0.0.1/", false }, { "127.0.0.1", false }, { "", false },
};

static void
test_loopback(void)
{
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		tap_ok(cfg_is_loopback(urls[i].url) == urls[i].here,
		    "'%s' is %s", urls[i].url, urls[i].here ? "here" :
		    "somewhere else");
}

int
main(void)
{
	test_loopback();
	return tap_done();
}
