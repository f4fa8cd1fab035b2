/* SPDX-License-Identifier: ISC */
/* cfg: which hosts are this machine, and lines of a file that are no line.
 * t/config.t has the settings themselves. */
#include "base/cfg.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tap.h"

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

static const struct {
	const char	*name;
	const char	*s;
	size_t		 n;
	const char	*problem;	/* NULL: none */
} files[] = {
	{ "a value", BYTES("LLM_MODEL=m\n"), NULL },
	{ "a value that a NUL would cut", BYTES("#\nLLM_MODEL=m\0n\n"),
	    "FILE line 2: not NAME=value\n" },
	{ "a URL of bad bytes", BYTES("LLM_BASE_URL=https://exampl\xfc/\n"),
	    "LLM_BASE_URL: not UTF-8\n" },
	{ "no slash behind the scheme but at the end",
	    BYTES("LLM_BASE_URL=http:/127.0.0.1/a:///\n"), "LLM_BASE_URL: not "
	    "an http(s) URL without user, query or fragment\n" },
	{ "no slash behind the scheme but in the path",
	    BYTES("LLM_BASE_URL=http:/127.0.0.1/a://b\n"), "LLM_BASE_URL: not "
	    "an http(s) URL without user, query or fragment\n" },
};

/* Of a program that needs no setting. */
static void
test_files(struct mem *m)
{
	char		 path[] = "/tmp/ringback-cfg-XXXXXX";
	const char	*wanted;
	struct buf	*problems;
	struct cfg	*c;
	int		 fd;
	bool		 ok;

	(void)unsetenv("LLM_BASE_URL");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "/tmp/ringback-cfg-XXXXXX");
		if ((fd = mkstemp(path)) < 0 || write(fd, files[i].s,
		    files[i].n) != (ssize_t)files[i].n)
			abort();
		(void)close(fd);
		problems = buf_new(m, 65536);
		ok = cfg_load(&c, m, path, CFG_ADMIN, problems);
		(void)unlink(path);
		wanted = files[i].problem == NULL ? "" : files[i].problem;
		if (text_starts(wanted, "FILE"))
			wanted = mem_printf(m, "%s%s", path, wanted + 4);
		tap_ok(ok == (files[i].problem == NULL), "%s: %s",
		    files[i].name, ok ? "taken" : "refused");
		tap_is(problems->s, wanted, "%s: what is said about it",
		    files[i].name);
	}
}

int
main(void)
{
	struct mem *m = mem_new();

	test_loopback();
	test_files(m);
	mem_free(m);
	return tap_done();
}
