/* SPDX-License-Identifier: ISC */
/* clock: the two of them. */
#include "base/clock.h"

#include <time.h>

#include "base/banned.h"

static long
ms_of(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

long
clock_ms(void)
{
	return ms_of(CLOCK_MONOTONIC);
}

long
clock_unix_ms(void)
{
	return ms_of(CLOCK_REALTIME);
}

char *
clock_rfc3339(struct mem *m, time_t t)
{
	struct tm	 tm;
	char		*text = mem_get(m, 40);

	(void)strftime(text, 40, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	return text;
}
