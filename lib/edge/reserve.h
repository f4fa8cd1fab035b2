/* SPDX-License-Identifier: ISC */
/* reserve: room for records that was set aside on disk before the disk was
 * full. One file of slots of 16 KB; a record takes one or several in a row.
 * What is written is on disk when reserve_put() returns true. Any number of
 * processes may use it: a lock on the file is held for each call. */
#ifndef EDGE_RESERVE_H
#define EDGE_RESERVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

/* Makes the file, or makes it larger; never smaller. 0 slots: no file. */
MUST_CHECK bool	 reserve_make(const char *path, size_t slots, struct err *);

/* ERR_SYSTEM also when there is no row of free slots that is long enough. */
MUST_CHECK bool	 reserve_put(struct mem *, const char *path, const void *,
		     size_t n, struct err *);

/* The first slots of the records in it, *count of them. No file: none. */
MUST_CHECK bool	 reserve_list(struct mem *, const char *path, size_t **slots,
		     size_t *count, struct err *);
/* What begins in that slot, with the rest of its last slot behind it. */
MUST_CHECK bool	 reserve_get(struct mem *, const char *path, size_t slot,
		     char **, size_t *n, struct err *);
void		 reserve_free(const char *path, size_t slot);
/* Of what was freed the bytes are still there: not any more. No file: no
 * matter. */
MUST_CHECK bool	 reserve_blank(const char *path, struct err *);

#endif
