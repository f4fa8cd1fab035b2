/* SPDX-License-Identifier: ISC */
/* env: a file of NAME=value lines.
 *
 * Comments begin with '#', an optional "export " may stand before a name,
 * values are bare or in single or double quotes; nothing is expanded. */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include <stddef.h>

#include "base/buf.h"
#include "base/mem.h"

struct env_line {
	const char	*name;
	const char	*value;
	const char	*raw;		/* all that stands behind the '=' */
	unsigned	 number;
};

/* Every assignment, in order. What is wrong with it is added to problems,
 * that others on this machine can read it, too; but no value. */
void	 env_read(struct mem *, const char *file, struct env_line **,
	     size_t *count, struct buf *problems);

#endif
