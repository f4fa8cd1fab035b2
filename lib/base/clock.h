/* SPDX-License-Identifier: ISC */
/* clock: time for deadlines. Leases and what is stored use the database's. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <time.h>

#include "base/mem.h"

long	 clock_ms(void);	/* CLOCK_MONOTONIC: goes on whatever date is set */
long	 clock_unix_ms(void);	/* CLOCK_REALTIME: since 1970 */
char	*clock_rfc3339(struct mem *, time_t);	/* UTC, whole seconds */

#endif
