/* SPDX-License-Identifier: ISC */
/* Fuzzer of text_base64() and text_hex(), and of what a signature's header
 * must look like: of all that decodes to the right bytes only one text is
 * taken. */
#include "fuzz.h"

#include <openssl/evp.h>

#include "base/text.h"
#include "format/sign.h"

#define URL	"https://h.example/v"

static void
check_base64(struct mem *m, const void *bytes, size_t n)
{
	char		*text = text_base64(m, bytes, n);
	size_t		 chars = strlen(text);
	unsigned char	*back = mem_get(m, chars + 3);

	must(chars == (n + 2) / 3 * 4);
	must(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789+/") + (3 - n % 3) % 3 == chars);
	must(EVP_DecodeBlock(back, (unsigned char *)text, (int)chars) ==
	    (int)(chars / 4 * 3));
	must(n == 0 || memcmp(back, bytes, n) == 0);
}

static void
check_hex(struct mem *m, const uint8_t *bytes, size_t n)
{
	char		*text = text_hex(m, bytes, n);
	unsigned	 v;

	must(strlen(text) == 2 * n && strspn(text, "0123456789abcdef") ==
	    2 * n);
	for (size_t i = 0; i < n; i++)
		must(sscanf(text + 2 * i, "%2x", &v) == 1 && v == bytes[i]);
	must(strlen(text_sha256(m, bytes, n)) == 64);
}

/* The header that is right, with as much of the input laid over it. */
static void
check_header(struct mem *m, const uint8_t *bytes, size_t n)
{
	char	*right = sign_make(m, "token", URL, NULL), *header;
	size_t	 at = n == 0 ? 0 : bytes[0] % 29;
	char	*laid = mem_dup_n(m, bytes, n);

	header = mem_printf(m, "%.*s%s", (int)at, right, n == 0 ? "" :
	    laid + 1);
	must((sign_check(header, "token", URL, NULL, NULL, 0) == SIGN_EXACT) ==
	    (strcmp(header, right) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct mem *m = mem_new();

	check_base64(m, bytes, n);
	check_hex(m, bytes, n);
	check_header(m, bytes, n);
	mem_free(m);
	return 0;
}
