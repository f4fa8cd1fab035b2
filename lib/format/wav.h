/* SPDX-License-Identifier: ISC */
/* wav: walks RIFF/WAVE recordings of 8 and 16 bit PCM, mu-law and A-law.
 * Takes what is there: a data chunk that claims more than follows, or that a
 * streaming encoder left at 0 or 0xffffffff, ends with the bytes. Other
 * sample formats are not telephone recordings and do not open. Pure.
 * Source: Multimedia Programming Interface 1.0 (1991), ITU-T G.711. */
#ifndef FORMAT_WAV_H
#define FORMAT_WAV_H

#include <stdbool.h>
#include <stddef.h>

#include "format/stretch.h"

struct wav {
	const unsigned char *s;		/* the caller's bytes */
	size_t		 at;		/* next sample */
	size_t		 end;		/* of the samples */
	int		 tag;		/* 1 PCM, 6 A-law, 7 mu-law */
	int		 bits;
	int		 channels;
	int		 sample_hz;
};

bool	 wav_open(struct wav *, const void *bytes, size_t n);

/* The next 40 ms, measured; false at the end. */
bool	 wav_next(struct wav *, struct stretch *);

/* Writes the header that must go before body_bytes of these samples; out
 * has room for WAV_HEAD_MAX. */
#define WAV_HEAD_MAX	58
size_t	 wav_head(const struct wav *, size_t body_bytes, unsigned char *out);
size_t	 wav_head_bytes(const struct wav *);

#endif
