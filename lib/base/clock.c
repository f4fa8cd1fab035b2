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
