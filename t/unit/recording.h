/* SPDX-License-Identifier: ISC */
/* recording: WAV and MP3 files written byte by byte, for tests that must know
 * exactly what they hold. There is one file at a time; len = 0 begins it. */
#ifndef T_UNIT_RECORDING_H
#define T_UNIT_RECORDING_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/audio.h"

#define TAU	6.283185307179586

static unsigned char	*file;
static size_t		 len, room;

static inline void
put(const void *s, size_t n)
{
	while (len + n > room) {
		room = room == 0 ? 65536 : 2 * room;
		if ((file = realloc(file, room)) == NULL)
			abort();
	}
	memcpy(file + len, s, n);
	len += n;
}

static inline void
put_le(unsigned long v, int bytes)
{
	unsigned char c;

	for (; bytes > 0; bytes--, v >>= 8) {
		c = (unsigned char)(v & 0xff);
		put(&c, 1);
	}
}

static inline void
put_fill(int c, size_t n)
{
	for (; n > 0; n--)
		put_le((unsigned long)c, 1);
}

/* From a block of its own, so that a sanitizer sees its end. */
static inline struct audio
probe(void)
{
	unsigned char	*s = malloc(len > 0 ? len : 1);
	struct audio	 a;

	if (s == NULL)
		abort();
	if (len > 0)
		memcpy(s, file, len);
	a = audio_probe(s, len);
	free(s);
	return a;
}

static inline bool
near(double got, double want, double by)
{
	if (fabs(got - want) <= by)
		return true;
	printf("#  got %.3f, want %.3f\n", got, want);
	return false;
}

static inline void
riff(unsigned long size)
{
	len = 0;
	put("RIFF", 4);
	put_le(size, 4);
	put("WAVE", 4);
}

static inline void
fmt(unsigned tag, unsigned channels, unsigned bits)
{
	put("fmt ", 4);
	put_le(16, 4);
	put_le(tag, 2);
	put_le(channels, 2);
	put_le(8000, 4);
	put_le(8000 * channels * bits / 8, 4);
	put_le(channels * bits / 8, 2);
	put_le(bits, 2);
}

static inline void
data(unsigned long claimed)
{
	put("data", 4);
	put_le(claimed, 4);
}

/* seconds of a 16 bit tone whose power is dbfs, an offset added. */
static inline void
tone(double seconds, double dbfs, double offset)
{
	double v;

	for (int i = 0; i < (int)(8000 * seconds); i++) {
		v = sqrt(2) * pow(10, dbfs / 20) * sin(TAU * 500 * i / 8000);
		put_le((unsigned long)lrint(32767 * (v + offset)) & 0xffff, 2);
	}
}

static inline void
wav(void)
{
	riff(0xffffffff);
	fmt(1, 1, 16);
	data(0xffffffff);
}

/* A frame of MPEG 2.5, 8 kHz, 32 kbit/s, mono: 288 bytes, 576 samples. */
enum { FRAME = 288, BANDS_WIDTH_3 = 240 };

struct frame {
	unsigned gain;		/* 0: digital silence */
	unsigned scale;		/* of band 0, 0..7 */
	unsigned borrowed;	/* bytes of earlier frames */
	bool	 bare;		/* scalefactors and no codes */
};

static inline void
bits(unsigned char *s, size_t *at, unsigned v, int n)
{
	for (int i = n - 1; i >= 0; i--, ++*at)
		s[*at / 8] = (unsigned char)(s[*at / 8] |
		    (v >> i & 1) << (7 - *at % 8));
}

/* Band 0 (12 values up to 30) alone sounds, lowered by its scalefactor,
 * which stands borrowed bytes before the frame's own main data. */
static inline void
frame(struct frame f)
{
	unsigned char	 s[FRAME] = { 0xff, 0xe3, 0x48, 0xc0 };
	size_t		 at = 32, start = 8 * (4 + 9);
	bool		 sounds = f.gain > 0;

	bits(s, &at, f.borrowed, 8);
	bits(s, &at, 0, 1);
	bits(s, &at, !sounds ? 0 : f.bare ? 18 : 18 + 1, 12);
	bits(s, &at, 6, 9);
	bits(s, &at, sounds ? f.gain : 210, 8);
	bits(s, &at, sounds ? BANDS_WIDTH_3 : 0, 9);
	bits(s, &at, 0, 1);
	bits(s, &at, 24, 5);
	if (f.borrowed == 0)
		bits(s, &start, f.scale, 3);
	put(s, sizeof(s));
	if (f.borrowed > 0)
		file[len - FRAME - f.borrowed] =
		    (unsigned char)(f.scale << 5);
}

static inline void
frames(size_t n, struct frame f)
{
	for (; n > 0; n--)
		frame(f);
}

static const struct frame	 silence = { 0, 0, 0, false };
static const struct frame	 loud = { 188, 0, 0, false };

#endif
