/* SPDX-License-Identifier: ISC */
/* Fuzzer of cfg_load(): any file is read or complained about, one complaint a
 * line, and no secret that stands in it is printed. */
#include "fuzz.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cfg.h"
#include "base/text.h"

#define CANARY	"c4nary-7f31"

/* What every program needs, and a secret in each place that has one. */
static const char	needed[] =
	"TWILIO_ACCOUNT_SID=AC0123456789abcdef0123456789abcdef\n"
	"TWILIO_AUTH_TOKEN=" CANARY "\n"
	"TWILIO_AUTH_TOKEN_NEXT='" CANARY "'\n"
	"TWILIO_API_KEY=SK0123456789abcdef0123456789abcdef\n"
	"TWILIO_API_SECRET=\"" CANARY "\"\n"
	"TWILIO_SUBACCOUNTS=" CANARY "\n"
	"WEBHOOK_BASE_URL=https://phone.example.com\n"
	"DATABASE_URL=postgresql://u:" CANARY "@/ringback\n"
	"OPENAI_API_KEY=" CANARY "\n"
	"export LLM_API_KEY=" CANARY " # " CANARY "\n";

static const char *
file_of(const void *bytes, size_t n)
{
	static int	fd = -1;
	static char	path[64];

	if (fd < 0) {
		fd = memfd_create("env", 0);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (fd < 0 || fchmod(fd, 0600) != 0 || ftruncate(fd, 0) != 0 ||
	    pwrite(fd, needed, sizeof(needed) - 1, 0) < 0 ||
	    pwrite(fd, bytes, n, sizeof(needed) - 1) < 0) {
		perror("memfd");
		exit(2);
	}
	return path;
}

static void
check_printed(struct mem *m, const struct cfg *c)
{
	struct buf	*out = buf_new(m, SIZE_MAX / 4);

	cfg_print(c, out);
	must(strstr(out->s, CANARY) == NULL);
	must(text_is_utf8(out->s, out->len));
	must(text_ends(c->webhook_base, "/") == false);
	must(text_starts(c->webhook_base, "https://") ||
	    cfg_is_loopback(c->webhook_base));
	must(c->lease_secs >= 4 && c->lease_secs <= 3600);
	must(c->validate == CFG_ENFORCE || c->validate == CFG_OBSERVE);
	must(c->llm_base != NULL && strstr(c->llm_base, "://") != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct mem	*m = mem_new();
	struct buf	*problems = buf_new(m, SIZE_MAX / 4);
	char		*copy = mem_dup_n(m, bytes, n);
	struct cfg	*c;
	bool		 ok;

	/* The file may tell its own secrets where none belong. */
	if (strlen(copy) == n && strstr(copy, "c4nary") != NULL) {
		mem_free(m);
		return 0;
	}
	ok = cfg_load(&c, m, file_of(bytes, n), CFG_SWEEP, problems);
	must(ok == (problems->len == 0));
	must(ok || text_ends(problems->s, "\n"));
	must(strstr(problems->s, CANARY) == NULL);
	if (ok)
		check_printed(m, c);
	mem_free(m);
	return 0;
}
