/* SPDX-License-Identifier: ISC */
/* sign_probe: checks a signature that is right up to its n-th character, once
 * in measured(); for t/security-timing.t, which counts the instructions. */
#include "format/sign.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define TOKEN	"12345678901234567890123456789012"
#define URL	"https://voice.example.com/api/twilio/voice"

static const char	base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
    "qrstuvwxyz0123456789+/";

/* Never inlined, for callgrind to know it by name. */
__attribute__((noinline)) enum sign_result measured(const char *,
    const struct form *);

enum sign_result
measured(const char *signature, const struct form *f)
{
	return sign_check(signature, TOKEN, URL, f, NULL, 0);
}

int
main(int argc, char **argv)
{
	static const struct form none;
	struct mem		*m = mem_new();
	char			*s = sign_make(m, TOKEN, URL, &none);
	size_t			 right = argc == 2 ? strtoul(argv[1], NULL, 10) :
				     0;

	if (sign_check(s, TOKEN, URL, &none, NULL, 0) != SIGN_EXACT)
		return 1;
	/* Another from there on: in the last but one only four bits count. */
	for (size_t i = right; i < 27; i++)
		s[i] = i == 26 ? (s[i] == 'A' ? 'E' : 'A') :
		    base64[(strchr(base64, s[i]) - base64 + 1) % 64];
	if (measured(s, &none) != SIGN_BAD)
		return 2;
	mem_free(m);
	return 0;
}
