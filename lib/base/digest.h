/* SPDX-License-Identifier: ISC */
/* digest: SHA-256 (FIPS 180-4), and HMAC (RFC 2104) with SHA-1, over bytes in
 * several pieces. Nothing is allocated and nothing can fail. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>

#define DIGEST_SHA256_BYTES	32
#define DIGEST_SHA1_BYTES	20

struct digest_piece {
	const void	*p;
	size_t		 n;
};

void	 digest_sha256(unsigned char[DIGEST_SHA256_BYTES],
	    const struct digest_piece *, size_t count);
void	 digest_hmac_sha1(unsigned char[DIGEST_SHA1_BYTES], const void *key,
	    size_t key_bytes, const struct digest_piece *, size_t count);

#endif
