/* SPDX-License-Identifier: ISC */
/* audio: kind, length and loudness of a recording, and where to cut it. */
#include "format/audio.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "format/mp3.h"
#include "format/wav.h"

#include "base/banned.h"

/* Loudness is that of windows of at least 40 ms, of which the third loudest
 * of seven in a row counts: a click fills two windows and disappears, a word
 * fills three (120 ms of wav, up to 216 ms of mp3 at 8 kHz). */
enum { WINDOWS = 7, LOUD_WINDOWS = 3, WINDOW_PER_S = 25 };

/* Below this nothing is said. dBFS of the loudest place, as measured in a
 * wav and as guessed from an mp3 (least, middle, most of the encodings that
 * mp3.c names; levels are RMS of the whole):
 *				wav		mp3
 *	speech at -45		-41 .. -36	-44  -37  -18
 *	speech at -50		-46 .. -41	-48  -43  -29
 *	half a second of speech
 *	at -45 in a minute	-46 .. -42	-53.7 -44 -23
 *	hum at -60		-60 .. -59	-63  -61  -53
 *	noise at -65		-65 .. -64	-69  -67  -49 (8 kbit/s white)
 *	mu-law's idle noise	-75 .. -74	none -78  -73
 * In doubt it is speech: silence transcribed costs a cent, a voicemail taken
 * for silence is lost. */
#define SILENT_BELOW_DBFS	(-54)

#define FLOOR_DBFS		(-120)

struct source {
	enum audio_kind	 kind;
	int		 channels;
	int		 sample_hz;
	union {
		struct mp3	 mp3;
		struct wav	 wav;
	};
};

static bool
source_open(struct source *s, const void *bytes, size_t n)
{
	s->kind = AUDIO_NONE;
	if (wav_open(&s->wav, bytes, n)) {
		s->kind = AUDIO_WAV;
		s->channels = s->wav.channels;
		s->sample_hz = s->wav.sample_hz;
	} else if (mp3_open(&s->mp3, bytes, n)) {
		s->kind = AUDIO_MP3;
		s->channels = s->mp3.channels;
		s->sample_hz = s->mp3.sample_hz;
	}
	return s->kind != AUDIO_NONE;
}

static bool
source_next(struct source *s, struct stretch *out)
{
	return s->kind == AUDIO_WAV ? wav_next(&s->wav, out) :
	    mp3_next(&s->mp3, out);
}

/* Power that lasts. */
struct meter {
	size_t		 window_samples;
	size_t		 samples;	/* of the window being filled */
	double		 energy;
	double		 last[WINDOWS];
	size_t		 windows;	/* seen so far */
	double		 loudest;	/* window */
	double		 lasting;	/* third loudest of seven in a row */
};

static double
third_loudest(const double *v)
{
	double	top[LOUD_WINDOWS] = { 0 }, x, swap;

	for (int i = 0; i < WINDOWS; i++) {
		x = v[i];
		for (int k = 0; k < LOUD_WINDOWS; k++)
			if (x > top[k]) {
				swap = top[k];
				top[k] = x;
				x = swap;
			}
	}
	return top[LOUD_WINDOWS - 1];
}

static void
meter_close_window(struct meter *m)
{
	double power;

	if (m->samples == 0)
		return;
	power = m->energy / (double)m->samples;
	m->samples = 0;
	m->energy = 0;
	m->last[m->windows++ % WINDOWS] = power;
	m->loudest = fmax(m->loudest, power);
	m->lasting = fmax(m->lasting, third_loudest(m->last));
}

static void
meter_add(struct meter *m, const struct stretch *s)
{
	m->energy += s->power * (double)s->samples;
	m->samples += s->samples;
	if (m->samples >= m->window_samples)
		meter_close_window(m);
}

/* A recording too short to tell a click from a word is as loud as its
 * loudest window. */
static double
meter_dbfs(const struct meter *m)
{
	double	power = m->windows < WINDOWS ? m->loudest : m->lasting;
	double	dbfs = power > 0 ? 10 * log10(power) : FLOOR_DBFS;

	return dbfs < FLOOR_DBFS ? FLOOR_DBFS : dbfs > 0 ? 0 : dbfs;
}

struct audio
audio_probe(const void *bytes, size_t n)
{
	struct audio	 a = { .silent = true, .peak_dbfs = FLOOR_DBFS };
	struct source	 src;
	struct stretch	 s;
	struct meter	 m = { 0 };
	uint64_t	 samples = 0;

	if (!source_open(&src, bytes, n))
		return a;
	a.kind = src.kind;
	a.channels = src.channels;
	a.sample_hz = src.sample_hz;
	m.window_samples = (size_t)(src.sample_hz / WINDOW_PER_S);
	while (source_next(&src, &s)) {
		samples += s.samples;
		meter_add(&m, &s);
	}
	meter_close_window(&m);
	a.seconds = (double)samples / a.sample_hz;
	a.peak_dbfs = meter_dbfs(&m);
	a.silent = a.peak_dbfs < SILENT_BELOW_DBFS;
	return a;
}

const char *
audio_mime(enum audio_kind kind)
{
	switch (kind) {
	case AUDIO_MP3:
		return "audio/mpeg";
	case AUDIO_WAV:
		return "audio/wav";
	case AUDIO_NONE:
		break;
	}
	return "application/octet-stream";
}

const char *
audio_suffix(enum audio_kind kind)
{
	switch (kind) {
	case AUDIO_MP3:
		return ".mp3";
	case AUDIO_WAV:
		return ".wav";
	case AUDIO_NONE:
		break;
	}
	return ".bin";
}

/* Looks for the quietest place to cut: that of a fifth of a second before
 * and behind it, the nearest counting most, so that it falls into the middle
 * of a pause and not between syllables. */
enum { NEAR_PER_S = 5, NEAR_MAX = 16, RING = 2 * NEAR_MAX };

struct quiet {
	struct {
		struct stretch	 s;
		uint64_t	 before;	/* samples of the part */
	} last[RING];
	size_t		 count;
	size_t		 near;			/* stretches to either side */
	double		 least;
	size_t		 at;			/* 0: no place yet */
	uint64_t	 samples;
};

/* Two at least: that is what an mp3 of 8 kHz has. */
static size_t
quiet_near(const struct source *src, const struct stretch *s)
{
	size_t n = (size_t)src->sample_hz / NEAR_PER_S / s->samples;

	return n > NEAR_MAX ? NEAR_MAX : n;
}

/* An mp3 frame may borrow bytes from those before it. A part that begins
 * with one that does loses up to 0.2 s in the decoder, which a pause can
 * spare; one that does not is worth 3 dB. */
static void
quiet_add(struct quiet *q, const struct stretch *s, uint64_t before,
    size_t earliest, size_t latest)
{
	size_t	first, cut = q->count + 1 - q->near, at;
	double	sum = 1e-9;	/* -90 dBFS is quiet enough */

	q->last[q->count % RING].s = *s;
	q->last[q->count++ % RING].before = before;
	if (q->count < 2 * q->near)
		return;
	at = q->last[cut % RING].s.offset;
	if (at < earliest || at > latest)
		return;
	first = q->count - 2 * q->near;
	for (size_t i = 0; i < 2 * q->near; i++)
		sum += q->last[(first + i) % RING].s.power *
		    (double)(i < q->near ? i + 1 : 2 * q->near - i);
	if (!q->last[cut % RING].s.whole)
		sum *= 2;
	if (q->at != 0 && sum > q->least)
		return;
	q->least = sum;
	q->at = at;
	q->samples = q->last[cut % RING].before;
}

/* From the stretch s on: as much as fits into room bytes, and no more of it
 * than up to a quiet place when not all of the rest fits. Sets its end and
 * its samples; false if not even s fits. */
static bool
part_measure(struct source *src, struct stretch s, size_t room, size_t *end,
    uint64_t *samples)
{
	size_t		 begin = s.offset, ahead = 0;
	uint64_t	 read = 0, fitting = 0;
	struct quiet	 q = { .near = quiet_near(src, &s) };

	*end = begin;
	do {
		if (ahead == 0 && s.offset - begin + s.bytes <= room) {
			*end = s.offset + s.bytes;
			fitting = read + s.samples;
		} else if (++ahead > q.near) {
			break;
		}
		quiet_add(&q, &s, read, begin + room - room / 5, *end);
		read += s.samples;
	} while (source_next(src, &s));
	*samples = fitting;
	if (ahead > 0 && q.at != 0) {
		*end = q.at;
		*samples = q.samples;
	}
	return *end > begin;
}

bool
audio_next_part(const void *bytes, size_t n, size_t max_bytes, size_t *offset,
    struct audio_part *part)
{
	struct source	 src;
	struct stretch	 s;
	size_t		 head, end;
	uint64_t	 before = 0, samples;

	memset(part, 0, sizeof(*part));
	if (!source_open(&src, bytes, n))
		return false;
	do {
		if (!source_next(&src, &s))
			return false;
		before += s.samples;
	} while (s.offset < *offset);
	before -= s.samples;
	head = src.kind == AUDIO_WAV ? wav_head_bytes(&src.wav) : 0;
	if (max_bytes > INT32_MAX)	/* a RIFF length has 32 bits */
		max_bytes = INT32_MAX;
	if (max_bytes <= head || !part_measure(&src, s, max_bytes - head, &end,
	    &samples))
		return false;
	part->body = (const unsigned char *)bytes + s.offset;
	part->body_bytes = end - s.offset;
	if (src.kind == AUDIO_WAV)
		part->head_bytes = wav_head(&src.wav, part->body_bytes,
		    part->head);
	part->start_s = (double)before / src.sample_hz;
	part->seconds = (double)samples / src.sample_hz;
	*offset = end;
	return true;
}
