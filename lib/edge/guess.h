/* SPDX-License-Identifier: ISC */
/* guess: how many wrong API keys an address has lately tried, over all
 * workers of this machine (in metric's file), and whether that is too many.
 * Nobody is kept out by it: a right key is never counted, nor asked about. */
#ifndef EDGE_GUESS_H
#define EDGE_GUESS_H

#include <stdbool.h>

/* Counts a wrong key; false: it is one too many, and *wait_s seconds on it
 * would not be. per_minute at once, and then one as each of their minute's
 * shares has passed. now_ms is clock_ms(). */
bool	 guess_count(const char *remote, long now_ms, long per_minute,
	    long *wait_s);

#endif
