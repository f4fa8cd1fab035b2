/* SPDX-License-Identifier: ISC */
#include "edge/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/banned.h"

static bool
is_private_v4(uint32_t a)
{
	static const struct { uint32_t net, bits; } nets[] = {
		{ 0x00000000, 8 }, { 0x0a000000, 8 }, { 0x64400000, 10 },
		{ 0x7f000000, 8 }, { 0xa9fe0000, 16 }, { 0xac100000, 12 },
		{ 0xc0000000, 24 }, { 0xc0a80000, 16 }, { 0xc6120000, 15 },
		{ 0xe0000000, 4 }, { 0xf0000000, 4 },
	};

	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++)
		if (((a ^ nets[i].net) >> (32 - nets[i].bits)) == 0)
			return true;
	return false;
}

bool
address_is_private(const struct sockaddr *sa)
{
	const struct in6_addr	*v6;
	struct in_addr		 v4;

	if (sa->sa_family == AF_INET) {
		memcpy(&v4, (const char *)sa +
		    offsetof(struct sockaddr_in, sin_addr), sizeof(v4));
		return is_private_v4(ntohl(v4.s_addr));
	}
	v6 = (const void *)((const char *)sa +
	    offsetof(struct sockaddr_in6, sin6_addr));
	if (IN6_IS_ADDR_V4MAPPED(v6) || IN6_IS_ADDR_V4COMPAT(v6)) {
		memcpy(&v4, v6->s6_addr + 12, sizeof(v4));
		return is_private_v4(ntohl(v4.s_addr));
	}
	/* 2000::/3 is the public part; 6to4 and Teredo in it wrap a v4. */
	return (v6->s6_addr[0] & 0xe0) != 0x20 ||
	    memcmp(v6->s6_addr, "\x20\x02", 2) == 0 ||
	    memcmp(v6->s6_addr, "\x20\x01\0\0", 4) == 0;
}

uint64_t
address_net(const char *text)
{
	unsigned char	b[16];
	uint64_t	net = 0;
	size_t		from = 0, to = 8;

	if (inet_pton(AF_INET, text, b) == 1) {
		to = 4;
	} else if (inet_pton(AF_INET6, text, b) != 1) {
		return 0;
	} else if (memcmp(b, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0) {
		from = 12;
		to = 16;
	}
	for (size_t i = from; i < to; i++)
		net = net << 8 | b[i];
	return net;
}
