/* SPDX-License-Identifier: ISC */
/* purge: files that have a number in them, and bytes that a reserve's free
 * slots still hold. What waits in a spool is taken in first: this is for what
 * nobody could read, and what a worker that died left half written. */
#ifndef EDGE_PURGE_H
#define EDGE_PURGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

/* Do these bytes have "+DIGITS", as it is or as forms encode it? */
bool		 purge_mentions(const char *, size_t n, const char *digits);

/* Removes the files of a directory, whose names begin so, that do and are older
 * than that; or, unless act, only counts them. No directory: none. */
MUST_CHECK bool	 purge_files(const char *dir, const char *prefix,
		     const char *digits, long older_s, bool act, size_t *count, struct err *);

#endif
