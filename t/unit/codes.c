/* SPDX-License-Identifier: ISC */
/* codes: a code that people meet has its sentence and the field to blame, any
 * other the place to look it up. */
#include "format/codes.h"

#include <string.h>

#include "tap.h"

int
main(void)
{
	struct mem *m = mem_new();

	tap_is(codes_sentence(m, 21211), "The number to reach is not valid.",
	    "21211, in words");
	tap_is(codes_field(21211), "to", "21211 blames a field");
	tap_is(codes_sentence(m, 32018), "The TwiML sent with the call was "
	    "longer than 4000 characters.", "the last of them");
	tap_is(codes_field(30003), NULL, "30003 blames none");
	tap_is(codes_sentence(m, 4711), "Twilio's error 4711; see "
	    "https://www.twilio.com/docs/api/errors/4711.", "an unknown one");
	tap_is(codes_field(4711), NULL, "which blames nothing");
	tap_is(codes_sentence(m, -1), "Twilio's error -1; see "
	    "https://www.twilio.com/docs/api/errors/-1.", "nor does -1");
	mem_free(m);
	return tap_done();
}
