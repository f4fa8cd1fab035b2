/* SPDX-License-Identifier: ISC */
/* address: where a server of the internet may not be, and who a client is. */
#ifndef EDGE_ADDRESS_H
#define EDGE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* True for IPv4 and IPv6 addresses that no public server has (RFC 6890). */
bool	 address_is_private(const struct sockaddr *);

/* What one client has of all addresses: an IPv4 address, or 64 bits of an
 * IPv6 address. Whatever else the text is, is 0. */
uint64_t address_net(const char *text);

#endif
