/* SPDX-License-Identifier: ISC */
/* buf: grows to its cap and not a byte further. */
#include "base/buf.h"

#include <string.h>

#include "tap.h"

int
main(void)
{
	struct mem	*m = mem_new();
	struct buf	*b = buf_new(m, 10);

	tap_ok(b->len == 0 && buf_ok(b), "new: empty");
	tap_is(b->s, "", "new: a string already");

	buf_str(b, "hello");
	buf_chr(b, ' ');
	buf_printf(b, "%d", 1234);
	tap_is(b->s, "hello 1234", "the cap is reached");
	tap_ok(buf_ok(b) && b->len == 10, "and that is no failure");

	buf_chr(b, '!');
	tap_ok(!buf_ok(b), "one byte more is");
	tap_is(b->s, "hello 1234", "nothing of it was written");
	buf_add(b, "", 0);
	buf_str(b, "");
	tap_ok(!buf_ok(b), "the failure sticks");

	buf_reset(b);
	tap_ok(buf_ok(b) && b->len == 0, "reset forgets it");
	tap_is(b->s, "", "reset empties");
	buf_str(b, "elevenbytes");
	tap_ok(!buf_ok(b) && b->len == 0, "too much at once");
	buf_str(b, "a");
	tap_is(b->s, "", "what follows a failure is not written");

	buf_reset(b);
	buf_printf(b, "%s", "elevenbytes");
	tap_ok(!buf_ok(b) && b->len == 0, "printf too much");
	buf_reset(b);
	buf_printf(b, "%s", "");
	tap_ok(buf_ok(b) && b->len == 0, "printf nothing");
	buf_printf(b, "%s", "ten bytes!");
	tap_is(b->s, "ten bytes!", "printf to the cap");

	buf_reset(b);
	buf_add(b, "a\0b", 3);
	tap_ok(b->len == 3 && memcmp(b->s, "a\0b", 4) == 0,
	    "NUL is a byte like others");

	b = buf_new(m, 0);
	buf_reset(b);
	tap_is(b->s, "", "reset before anything was added");
	buf_chr(b, 'a');
	tap_ok(!buf_ok(b), "a cap of nothing");

	b = buf_new(m, 100000);
	for (int i = 0; i < 100000; i++)
		buf_chr(b, (char)('a' + i % 26));
	tap_ok(buf_ok(b) && b->len == 100000 && b->s[100000] == '\0',
	    "grows byte by byte");
	tap_ok(b->s[255] == 'v' && b->s[256] == 'w' && b->s[99999] == 'd',
	    "what was there survives growing");
	buf_chr(b, 'x');
	tap_ok(!buf_ok(b), "to its cap");

	b = buf_new(m, (size_t)-1);
	buf_printf(b, "%5000d", 7);
	buf_str(b, "8");
	tap_ok(b->len == 5001 && b->s[4999] == '7' && b->s[5000] == '8',
	    "no cap, many bytes at once");
	mem_free(m);
	return tap_done();
}
