/* SPDX-License-Identifier: ISC */
/* Fuzzer of audio_probe() and audio_next_part(): parts lie within the
 * recording, hold no more than asked, and come to an end.
 *	fuzz-audio -max_total_time=60 CORPUS */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/audio.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool held)
{
	if (!held)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct audio		 a = audio_probe(bytes, n);
	struct audio_part	 part;
	size_t			 offset = 0, before, parts = 0;
	size_t			 max_bytes = 4096;	/* more than any mp3 frame */
	const uint8_t		*body;

	must(a.seconds >= 0);
	must(audio_mime(a.kind) != NULL && audio_suffix(a.kind) != NULL);
	if (n > 0)
		max_bytes += 64 * (size_t)bytes[n - 1];
	for (;;) {
		before = offset;
		if (!audio_next_part(bytes, n, max_bytes, &offset, &part))
			break;
		body = part.body;
		must(offset > before && offset <= n && ++parts <= n);
		must(body >= bytes && part.body_bytes <= n &&
		    body + part.body_bytes <= bytes + n);
		must(part.head_bytes <= sizeof(part.head));
		must(part.head_bytes + part.body_bytes <= max_bytes);
		must(part.seconds >= 0 && part.start_s >= 0);
	}
	return 0;
}
