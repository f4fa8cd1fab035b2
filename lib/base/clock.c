/* SPDX-License-Identifier: ISC */
/* clock: the monotonic one. */
#include "base/clock.h"

#include <time.h>

#include "base/banned.h"

long
clock_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

char *
clock_rfc3339(struct mem *m, time_t t)
{
	struct tm	 tm;
	char		*text = mem_get(m, 40);

	(void)strftime(text, 40, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	return text;
}
