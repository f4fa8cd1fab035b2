/* SPDX-License-Identifier: ISC */
/* Fuzzer of audio_probe() and audio_next_part(): parts lie within the
 * recording, follow each other, hold no more than asked, and come to an end;
 * a part of a wav is a wav again, of the same kind and as long as it says. */
#include "fuzz.h"

#include <math.h>

#include "format/audio.h"

static void
check_wav_part(struct mem *m, const struct audio *a,
    const struct audio_part *p)
{
	struct buf	*b = buf_new(m, SIZE_MAX / 4);
	struct audio	 part;

	must(p->head_bytes > 0);
	buf_add(b, p->head, p->head_bytes);
	buf_add(b, p->body, p->body_bytes);
	part = audio_probe(b->s, b->len);
	must(part.kind == AUDIO_WAV && part.channels == a->channels &&
	    part.sample_hz == a->sample_hz);
	must(fabs(part.seconds - p->seconds) < 1e-9);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct mem		*m = mem_new();
	struct audio		 a = audio_probe(bytes, n);
	struct audio_part	 part;
	size_t			 offset = 0, before, parts = 0;
	size_t			 max_bytes = 4096;	/* over any mp3 frame */
	const uint8_t		*body;
	double			 seconds = 0;

	must(a.seconds >= 0 && isfinite(a.seconds));
	must(a.peak_dbfs >= -120 && a.peak_dbfs <= 0);
	must(audio_mime(a.kind) != NULL && audio_suffix(a.kind) != NULL);
	must(a.kind != AUDIO_NONE || (a.silent && !(a.seconds > 0)));
	if (n > 0)
		max_bytes += 64 * (size_t)bytes[n - 1];
	for (;;) {
		before = offset;
		if (!audio_next_part(bytes, n, max_bytes, &offset, &part))
			break;
		body = part.body;
		must(offset > before && offset <= n && ++parts <= n);
		must(body >= bytes + before && part.body_bytes <= n &&
		    body + part.body_bytes == bytes + offset);
		must(part.head_bytes <= sizeof(part.head));
		must(part.head_bytes + part.body_bytes <= max_bytes);
		must(part.seconds >= 0 && part.start_s >= 0);
		must(fabs(part.start_s - seconds) < 1e-6);
		seconds += part.seconds;
		if (a.kind == AUDIO_WAV)
			check_wav_part(m, &a, &part);
	}
	/* Everything, unless 40 ms of it are too large for a part. */
	if (a.kind == AUDIO_MP3 || a.channels * a.sample_hz <= 48000)
		must(fabs(a.seconds - seconds) < 1e-6);
	mem_free(m);
	return 0;
}
