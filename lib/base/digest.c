/* SPDX-License-Identifier: ISC */
/* digest: one context of each kind, used again and again. */
#include "base/digest.h"

#include <stdbool.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/banned.h"

static void
must(bool ok)
{
	if (!ok)
		abort();
}

void
digest_sha256(unsigned char out[DIGEST_SHA256_BYTES],
    const struct digest_piece *pieces, size_t count)
{
	static EVP_MD		*sha256;
	static EVP_MD_CTX	*ctx;

	if (ctx == NULL) {
		must((sha256 = EVP_MD_fetch(NULL, "SHA256", NULL)) != NULL);
		must((ctx = EVP_MD_CTX_new()) != NULL);
	}
	must(EVP_DigestInit_ex2(ctx, sha256, NULL) == 1);
	for (size_t i = 0; i < count; i++)
		must(EVP_DigestUpdate(ctx, pieces[i].p, pieces[i].n) == 1);
	must(EVP_DigestFinal_ex(ctx, out, NULL) == 1);
}

static EVP_MAC_CTX *
hmac_sha1(void)
{
	char		 name[] = "SHA1";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name,
		    0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC		*mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX	*ctx;

	must(mac != NULL);
	must((ctx = EVP_MAC_CTX_new(mac)) != NULL);
	EVP_MAC_free(mac);
	must(EVP_MAC_CTX_set_params(ctx, params) == 1);
	return ctx;
}

void
digest_hmac_sha1(unsigned char out[DIGEST_SHA1_BYTES], const void *key,
    size_t key_bytes, const struct digest_piece *pieces, size_t count)
{
	static EVP_MAC_CTX	*ctx;
	size_t			 n;

	if (ctx == NULL)
		ctx = hmac_sha1();
	must(EVP_MAC_init(ctx, key, key_bytes, NULL) == 1);
	for (size_t i = 0; i < count; i++)
		must(EVP_MAC_update(ctx, pieces[i].p, pieces[i].n) == 1);
	must(EVP_MAC_final(ctx, out, &n, DIGEST_SHA1_BYTES) == 1);
}
