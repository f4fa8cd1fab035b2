/* SPDX-License-Identifier: ISC */
/* lint: what an analyser that reads one file at a time is told of others.
 * t/lint puts it before every file, but for err.c. */
#ifndef T_LINT_H
#define T_LINT_H

#include "base/err.h"

#ifdef CPPCHECK
/* It is not shown the system's headers. */
#define cJSON_ArrayForEach(e, list)					      \
	for (e = (list)->child; e != NULL; e = e->next)
#else
/* These always return false. */
#define err_set(...)	(err_set(__VA_ARGS__), false)
#define err_field(...)	(err_field(__VA_ARGS__), false)
#define err_sys(...)	(err_sys(__VA_ARGS__), false)
#endif

#endif
