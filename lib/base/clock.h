/* SPDX-License-Identifier: ISC */
/* clock: time for deadlines. Leases and what is stored use the database's. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

long	 clock_ms(void);	/* CLOCK_MONOTONIC: goes on whatever date is set */

#endif
