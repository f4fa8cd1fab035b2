/* SPDX-License-Identifier: ISC */
/* url: what decides where a redirection leads, asked of curl's own parser,
 * which is the one that goes there. */
#ifndef EDGE_URL_H
#define EDGE_URL_H

#include <stdbool.h>

#include "base/mem.h"

/* The address without user and password, in the mem; NULL: it is none. */
const char	*url_without_user(struct mem *, const char *url);

/* True for https on its own port; with outside false, on a machine that asks
 * itself, for any port, and for http to this machine. */
bool		 url_may_lead(const char *url, bool outside);

#endif
