/* SPDX-License-Identifier: ISC */
/* kept: what nginx writes is read as it was, and half of it is not read. */
#include "format/kept.h"

#include <string.h>

#include "tap.h"

static const struct {
	const char	*name;
	const char	*s;
	size_t		 n;
	const char	*uri, *signature, *body;	/* NULL: refused */
	size_t		 body_bytes;
} files[] = {
	{ "a request", BYTES("/v?a=1\nMAC=\nFrom=1\n"), "/v?a=1", "MAC=",
	    BYTES("From=1") },
	{ "no signature", BYTES("/v\n\nFrom=1\n"), "/v", "", BYTES("From=1") },
	{ "no body", BYTES("/v\nMAC=\n\n"), "/v", "MAC=", BYTES("") },
	{ "lines in the body", BYTES("/v\nMAC=\na\n\nb\n\n"), "/v", "MAC=",
	    BYTES("a\n\nb\n") },
	{ "odd bytes in the body", BYTES("/v\nMAC=\n\0\xff\n"), "/v", "MAC=",
	    BYTES("\0\xff") },
	{ "nothing at all in it", BYTES("\n\n\n"), "", "", BYTES("") },
	{ "nothing", BYTES(""), NULL, NULL, NULL, 0 },
	{ "cut in the URI", BYTES("/v"), NULL, NULL, NULL, 0 },
	{ "cut behind the URI", BYTES("/v\n"), NULL, NULL, NULL, 0 },
	{ "cut in the signature", BYTES("/v\nMA"), NULL, NULL, NULL, 0 },
	{ "cut behind the signature", BYTES("/v\nMAC=\n"), NULL, NULL, NULL,
	    0 },
	{ "cut in the body", BYTES("/v\nMAC=\nFrom=1"), NULL, NULL, NULL, 0 },
	{ "a NUL in the URI", BYTES("/v\0x\nMAC=\nFrom=1\n"), NULL, NULL, NULL,
	    0 },
	{ "a NUL in the signature", BYTES("/v\nMAC=\0\nFrom=1\n"), NULL, NULL,
	    NULL, 0 },
};

int
main(void)
{
	struct mem	*m = mem_new();
	struct kept	 k;
	struct err	 e;
	bool		 read;

	for (size_t i = 0; i < COUNT(files); i++) {
		err_clear(&e);
		read = kept_parse(&k, m, files[i].s, files[i].n, &e);
		if (files[i].uri == NULL) {
			tap_ok(!read && e.kind == ERR_INPUT, "%s: refused",
			    files[i].name);
			continue;
		}
		tap_ok(read && strcmp(k.uri, files[i].uri) == 0 &&
		    strcmp(k.signature, files[i].signature) == 0,
		    "%s: its lines", files[i].name);
		tap_ok(read && k.body_bytes == files[i].body_bytes &&
		    memcmp(k.body, files[i].body, k.body_bytes) == 0,
		    "%s: its body", files[i].name);
	}
	mem_free(m);
	return tap_done();
}
