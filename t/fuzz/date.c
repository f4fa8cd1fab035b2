/* SPDX-License-Identifier: ISC */
/* Fuzzer of times: a Retry-After header, and the dates of the JSON API's
 * queries. Both files are included: what reads a time is not for anybody else
 * to call. */
#include "fuzz.h"

#include <regex.h>
#include <stdarg.h>
#include <time.h>

#include "app.h"
#include "base/cfg.h"

#include "../../lib/edge/fetch.c"
#include "../../app/input.c"

#define NOW	((time_t)1789000000)

static void
check_retry_after(const char *s, const uint8_t *bytes, size_t n)
{
	size_t		 digits = strspn(s, "0123456789");
	char		 text[64];
	struct tm	 tm;
	time_t		 when = 0;
	long		 wait = seconds_until(s, NOW);

	must(wait >= -1);
	if (digits > 0 && digits <= 9 && s[digits] == '\0')
		must(wait == strtol(s, NULL, 10));
	if (n < 5)
		return;
	/* As RFC 9110 writes it, any second of the years 1970 to 2100. */
	memcpy(&when, bytes, 4);
	(void)strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT",
	    gmtime_r(&when, &tm));
	must(seconds_until(text, NOW) == (when < NOW ? 0 : when - NOW));
}

static void
check_time(struct mem *m, const char *s)
{
	const char	*t = read_time(m, s);
	int		 v[6] = { 0, 1, 1, 0, 0, 0 }, days, read;
	bool		 leap;

	if (t == NULL)
		return;
	must(strlen(t) == strlen(s) && strlen(t) >= 10);
	read = sscanf(t, "%4d-%2d-%2d%*1[T ]%2d:%2d:%2d", &v[0], &v[1], &v[2],
	    &v[3], &v[4], &v[5]);
	must(read == 3 || read == 5 || read == 6);
	leap = v[0] % 4 == 0 && (v[0] % 100 != 0 || v[0] % 400 == 0);
	must(v[0] >= 1 && v[0] <= 9999 && v[1] >= 1 && v[1] <= 12);
	days = v[1] == 2 ? 28 + leap : 30 + (v[1] + v[1] / 8) % 2;
	must(v[2] >= 1 && v[2] <= days);
	must(v[3] >= 0 && v[3] < 24 && v[4] >= 0 && v[4] < 60 && v[5] >= 0 &&
	    v[5] < 60);
	must(strspn(t, "0123456789-:.TZ +") == strlen(t));
	must(read_time(m, t) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct mem	*m = mem_new();
	char		*s = mem_dup_n(m, bytes, n);

	check_retry_after(s, bytes, n);
	check_time(m, s);
	mem_free(m);
	return 0;
}
