/* SPDX-License-Identifier: ISC */
/* digest: OpenSSL's hash functions themselves. By way of EVP a webhook goes
 * through 30 more pages of libcrypto, which ask what provider has them and are
 * cold again after each switch to another process: 8 % of what a machine can
 * answer. OpenSSL 3 deprecates this way in and has it in every release. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <string.h>

#include <openssl/sha.h>

#include "base/banned.h"

#define BLOCK_BYTES	SHA_CBLOCK

void
digest_sha256(unsigned char out[DIGEST_SHA256_BYTES],
    const struct digest_piece *pieces, size_t count)
{
	SHA256_CTX ctx;

	SHA256_Init(&ctx);
	for (size_t i = 0; i < count; i++)
		SHA256_Update(&ctx, pieces[i].p, pieces[i].n);
	SHA256_Final(out, &ctx);
}

static void
sha1(unsigned char out[DIGEST_SHA1_BYTES],
    const unsigned char first[BLOCK_BYTES], const struct digest_piece *pieces,
    size_t count)
{
	SHA_CTX ctx;

	SHA1_Init(&ctx);
	SHA1_Update(&ctx, first, BLOCK_BYTES);
	for (size_t i = 0; i < count; i++)
		SHA1_Update(&ctx, pieces[i].p, pieces[i].n);
	SHA1_Final(out, &ctx);
}

/* RFC 2104: the hash of the key and the hash of the key and the text. */
void
digest_hmac_sha1(unsigned char out[DIGEST_SHA1_BYTES], const void *key,
    size_t key_bytes, const struct digest_piece *pieces, size_t count)
{
	const struct digest_piece	 inner = { out, DIGEST_SHA1_BYTES };
	unsigned char			 pad[BLOCK_BYTES] = { 0 };

	if (key_bytes <= sizeof(pad))
		memcpy(pad, key, key_bytes);
	else
		SHA1(key, key_bytes, pad);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	sha1(out, pad, pieces, count);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	sha1(out, pad, &inner, 1);
	explicit_bzero(pad, sizeof(pad));
}
