/* SPDX-License-Identifier: ISC */
/* digest: what FIPS 180-4 and RFC 2202 say comes out, and what OpenSSL's own
 * HMAC says for a key of any length, in whatever pieces the text comes. */
#include "base/digest.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/text.h"

#include "tap.h"

#define TEN(c)	c c c c c c c c c c

static const struct {
	const char	*name, *text, *hex;
} sha256[] = {
	{ "nothing", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca4"
	    "95991b7852b855" },
	{ "one block", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a"
	    "9cb410ff61f20015ad" },
	{ "two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnop"
	    "nopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd4"
	    "19db06c1" },
};

static const struct {
	const char	*name, *key, *text, *hex;
} hmac[] = {
	{ "RFC 2202, 1", TEN("\x0b") TEN("\x0b"), "Hi There",
	    "b617318655057264e28bc0b6fb378c8ef146be00" },
	{ "RFC 2202, 2", "Jefe", "what do ya want for nothing?",
	    "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
	{ "RFC 2202, 3", TEN("\xaa") TEN("\xaa"), TEN("\xdd") TEN("\xdd")
	    TEN("\xdd") TEN("\xdd") TEN("\xdd"),
	    "125d7342b9ac11cd91a39af48aa17b4f63f175d3" },
	{ "RFC 2202, 6", TEN("\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"), "Test Using "
	    "Larger Than Block-Size Key - Hash Key First",
	    "aa4ae5e15272d00e95705637ce8a3b55ed402112" },
	{ "RFC 2202, 7", TEN("\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"), "Test Using "
	    "Larger Than Block-Size Key and Larger Than One Block-Size Data",
	    "e8e99d0f45237d786d6bbaa7965c7808bbff1a91" },
};

/* The text in two pieces, cut at each place there is. */
static bool
is_in_any_pieces(struct mem *m, const char *key, const char *text,
    const char *hex)
{
	const size_t	 n = strlen(text);
	unsigned char	 out[DIGEST_SHA256_BYTES];
	bool		 same = true;

	for (size_t cut = 0; cut <= n; cut++) {
		const struct digest_piece two[] = {
			{ text, cut }, { text + cut, n - cut },
		};

		if (key == NULL)
			digest_sha256(out, two, 2);
		else
			digest_hmac_sha1(out, key, strlen(key), two, 2);
		same = same && strcmp(text_hex(m, out, strlen(hex) / 2),
		    hex) == 0;
	}
	return same;
}

static void
try_keys(void)
{
	const struct digest_piece	 text = { BYTES("a text") };
	unsigned char			 key[200], ours[DIGEST_SHA1_BYTES];
	unsigned char			 theirs[DIGEST_SHA1_BYTES];
	size_t				 same = 0;

	for (size_t n = 0; n <= sizeof(key); n++) {
		if (n > 0)
			key[n - 1] = (unsigned char)(7 * n);
		digest_hmac_sha1(ours, key, n, &text, 1);
		if (HMAC(EVP_sha1(), key, (int)n, text.p, text.n, theirs,
		    NULL) == NULL)
			break;
		same += memcmp(ours, theirs, sizeof(ours)) == 0;
	}
	tap_ok(same == sizeof(key) + 1, "a key of 0 to %zu bytes: as HMAC() "
	    "has it", sizeof(key));
}

int
main(void)
{
	struct mem *m = mem_new();

	for (size_t i = 0; i < COUNT(sha256); i++)
		tap_ok(is_in_any_pieces(m, NULL, sha256[i].text,
		    sha256[i].hex), "SHA-256: %s", sha256[i].name);
	for (size_t i = 0; i < COUNT(hmac); i++)
		tap_ok(is_in_any_pieces(m, hmac[i].key, hmac[i].text,
		    hmac[i].hex), "HMAC-SHA1: %s", hmac[i].name);
	try_keys();
	mem_free(m);
	return tap_done();
}
