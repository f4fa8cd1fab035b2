/* SPDX-License-Identifier: ISC */
/* address: where a server of the internet may not be. */
#ifndef EDGE_ADDRESS_H
#define EDGE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* True for IPv4 and IPv6 addresses that no public server has (RFC 6890). */
bool	 address_is_private(const struct sockaddr *);

#endif
