/* SPDX-License-Identifier: ISC */
/* wav: finds the samples of a RIFF/WAVE file and measures them. */
#include "format/wav.h"

#include <stdint.h>
#include <string.h>

#include "base/banned.h"

enum { TAG_PCM = 1, TAG_ALAW = 6, TAG_MULAW = 7, TAG_EXTENSIBLE = 0xfffe };

static unsigned int
le16(const unsigned char *p)
{
	return (unsigned int)p[0] | (unsigned int)p[1] << 8;
}

static uint32_t
le32(const unsigned char *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

static unsigned char *
put(unsigned char *p, size_t bytes, size_t v)
{
	for (size_t i = 0; i < bytes; i++)
		*p++ = (unsigned char)(v >> (8 * i) & 0xff);
	return p;
}

static bool
read_fmt(struct wav *w, const unsigned char *p, size_t n)
{
	uint32_t hz;

	if (n < 16)
		return false;
	w->tag = (int)le16(p);
	if (w->tag == TAG_EXTENSIBLE && n >= 26)
		w->tag = (int)le16(p + 24);	/* the GUID begins with it */
	w->channels = (int)le16(p + 2);
	hz = le32(p + 4);
	w->bits = (int)le16(p + 14);
	if (w->channels < 1 || w->channels > 8 || hz < 1000 || hz > 384000)
		return false;
	w->sample_hz = (int)hz;
	if (w->tag == TAG_PCM)
		return w->bits == 8 || w->bits == 16;
	return (w->tag == TAG_MULAW || w->tag == TAG_ALAW) && w->bits == 8;
}

static size_t
frame_bytes(const struct wav *w)
{
	return (size_t)w->channels * (size_t)w->bits / 8;
}

/* Where the data chunk at p (its first sample) ends. Zero is what a
 * streaming encoder writes for "not known yet", unless RIFF's own length
 * agrees with the file: then it is an empty recording. */
static size_t
data_end(const unsigned char *s, size_t n, size_t p, uint32_t claimed)
{
	if (claimed == 0 && (uint64_t)le32(s + 4) + 8 == n)
		return p;
	if (claimed == 0 || claimed > n - p)
		return n;
	return p + claimed;
}

bool
wav_open(struct wav *w, const void *bytes, size_t n)
{
	const unsigned char	*s = bytes;
	bool			 fmt = false;
	uint32_t		 len;

	*w = (struct wav){ .s = s };
	if (n < 12 || memcmp(s, "RIFF", 4) != 0 ||
	    memcmp(s + 8, "WAVE", 4) != 0)
		return false;
	for (size_t p = 12; n - p >= 8; ) {
		len = le32(s + p + 4);
		if (memcmp(s + p, "data", 4) == 0) {
			if (!fmt)
				return false;
			w->at = p + 8;
			w->end = data_end(s, n, p + 8, len);
			return true;
		}
		p += 8;
		if (memcmp(s + p - 8, "fmt ", 4) == 0) {
			if (len > n - p || !read_fmt(w, s + p, len))
				return false;
			fmt = true;
		}
		if (n - p <= len)
			return false;
		p += len;
		/* Chunks are padded to even; some writers forget it. */
		if (len % 2 == 1 && s[p] == 0)
			p++;
	}
	return false;
}

static int
mulaw(unsigned int u)
{
	int t;

	u = ~u & 0xff;
	t = ((int)((u & 0x0f) << 3) + 0x84) << ((u & 0x70) >> 4);
	return (u & 0x80) != 0 ? 0x84 - t : t - 0x84;
}

static int
alaw(unsigned int a)
{
	unsigned int	seg;
	int		t;

	a ^= 0x55;
	seg = (a & 0x70) >> 4;
	t = (int)((a & 0x0f) << 4) + (seg == 0 ? 8 : 0x108);
	if (seg > 1)
		t <<= seg - 1;
	return (a & 0x80) != 0 ? t : -t;
}

/* One sample in 16 bit steps. */
static int
sample(const struct wav *w, const unsigned char *p)
{
	int v;

	if (w->tag == TAG_MULAW)
		return mulaw(p[0]);
	if (w->tag == TAG_ALAW)
		return alaw(p[0]);
	if (w->bits == 8)
		return ((int)p[0] - 128) * 256;
	v = (int)le16(p);
	return v < 32768 ? v : v - 65536;
}

/* Around its own mean: a line card's constant offset is not sound. */
static double
channel_power(const struct wav *w, const unsigned char *p, size_t frames)
{
	size_t	step = frame_bytes(w);
	double	sum = 0, squares = 0, v;

	for (size_t i = 0; i < frames; i++) {
		v = sample(w, p + i * step) / 32768.0;
		sum += v;
		squares += v * v;
	}
	sum /= (double)frames;
	squares = squares / (double)frames - sum * sum;
	return squares > 0 ? squares : 0;
}

bool
wav_next(struct wav *w, struct stretch *out)
{
	size_t	step = frame_bytes(w), frames = (size_t)w->sample_hz / 25;
	double	power;

	if (w->end - w->at < step)
		return false;
	if (frames > (w->end - w->at) / step)
		frames = (w->end - w->at) / step;
	*out = (struct stretch){ .offset = w->at, .bytes = frames * step,
	    .samples = frames, .whole = true };
	for (int c = 0; c < w->channels; c++) {
		power = channel_power(w, w->s + w->at +
		    (size_t)c * (size_t)w->bits / 8, frames);
		if (power > out->power)
			out->power = power;
	}
	w->at += out->bytes;
	return true;
}

size_t
wav_head_bytes(const struct wav *w)
{
	return w->tag == TAG_PCM ? 44 : WAV_HEAD_MAX;
}

size_t
wav_head(const struct wav *w, size_t body_bytes, unsigned char *out)
{
	size_t		 n = wav_head_bytes(w), step = frame_bytes(w);
	unsigned char	*p = out;

	memcpy(p, "RIFF", 4);
	p = put(p + 4, 4, n - 8 + body_bytes);
	memcpy(p, "WAVEfmt ", 8);
	p = put(p + 8, 4, w->tag == TAG_PCM ? 16 : 18);
	p = put(p, 2, (size_t)w->tag);
	p = put(p, 2, (size_t)w->channels);
	p = put(p, 4, (size_t)w->sample_hz);
	p = put(p, 4, (size_t)w->sample_hz * step);
	p = put(p, 2, step);
	p = put(p, 2, (size_t)w->bits);
	if (w->tag != TAG_PCM) {	/* the rest is asked of all but PCM */
		p = put(p, 2, 0);
		memcpy(p, "fact", 4);
		p = put(p + 4, 4, 4);
		p = put(p, 4, body_bytes / step);
	}
	memcpy(p, "data", 4);
	p = put(p + 4, 4, body_bytes);
	return (size_t)(p - out);
}
