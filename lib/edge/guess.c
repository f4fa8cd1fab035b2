/* SPDX-License-Identifier: ISC */
/* guess: a set-associative table of one word for an address: the upper bits
 * name it, the lower ones say when all it tried will be forgiven (the generic
 * cell rate algorithm). The address forgiven first makes room for another. */
#include "edge/guess.h"

#include <stdatomic.h>

#include "base/metric.h"
#include "edge/address.h"

#include "base/banned.h"

#define WAYS		4
#define SETS		(METRIC_WORDS / WAYS)
#define MINUTE_MS	60000
#define TIME_BITS	40	/* of milliseconds: 34 years */
#define TIME_MASK	((UINT64_C(1) << TIME_BITS) - 1)

/* splitmix64's: neighbours do not share a set. */
static uint64_t
mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static _Atomic uint64_t *
slot_of(uint64_t hash)
{
	_Atomic uint64_t	*set = metric_words() + hash % SETS * WAYS;
	_Atomic uint64_t	*oldest = set;

	for (int i = 0; i < WAYS; i++) {
		uint64_t word = atomic_load(&set[i]);

		if (word >> TIME_BITS == hash >> TIME_BITS)
			return &set[i];
		if ((word & TIME_MASK) < (atomic_load(oldest) & TIME_MASK))
			oldest = &set[i];
	}
	return oldest;
}

bool
guess_count(const char *remote, long now_ms, long per_minute, long *wait_s)
{
	const uint64_t	 now = (uint64_t)now_ms & TIME_MASK;
	const uint64_t	 share = per_minute < MINUTE_MS ?
			     MINUTE_MS / (uint64_t)per_minute : 1;
	const uint64_t	 hash = mix(address_net(remote));
	_Atomic uint64_t *slot = slot_of(hash);
	uint64_t	 word = atomic_load(slot), until;

	do {
		until = word & TIME_MASK;
		/* Another's, long over, or of before the machine started. */
		if (word >> TIME_BITS != hash >> TIME_BITS || until < now ||
		    until > now + MINUTE_MS)
			until = now;
		if (until + share > now + MINUTE_MS) {
			*wait_s = (long)((until + share - now - MINUTE_MS +
			    999) / 1000);
			return false;
		}
	} while (!atomic_compare_exchange_weak(slot, &word,
	    (hash & ~TIME_MASK) | (until + share)));
	return true;
}
