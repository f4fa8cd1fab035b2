/* SPDX-License-Identifier: ISC */
/* webhook: a form with places for what makes each request another, signed as
 * Twilio signs. */
#ifndef BENCH_WEBHOOK_H
#define BENCH_WEBHOOK_H

#include <stddef.h>

#define WEBHOOK_MAX	8192

/* FORM is a file; see load.c. Says why not and exits when it will not do. */
void	webhook_prepare(int port, const char *path, const char *token,
	    const char *form);
/* The whole request into wire (WEBHOOK_MAX); its length. */
size_t	webhook_make(char *wire, long serial);

#endif
