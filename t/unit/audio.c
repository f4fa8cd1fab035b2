/* SPDX-License-Identifier: ISC */
/* audio: recordings made byte by byte, so that what they hold is known
 * exactly, and what must not be taken for one. t/audio.t has real ones. */
#include "format/audio.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "recording.h"
#include "tap.h"

/* --- WAV ------------------------------------------------------------------ */

static void
test_wav_kinds(void)
{
	static const struct {
		const char	*name;
		unsigned	 tag, channels, bits;
		bool		 is_audio;
	} rows[] = {
		{ "16 bit", 1, 1, 16, true },
		{ "8 bit", 1, 1, 8, true },
		{ "two channels", 1, 2, 16, true },
		{ "mu-law", 7, 1, 8, true },
		{ "A-law", 6, 2, 8, true },
		{ "no channels", 1, 0, 16, false },
		{ "12 bit", 1, 1, 12, false },
		{ "16 bit mu-law", 7, 1, 16, false },
		{ "float", 3, 1, 32, false },
		{ "GSM", 49, 1, 0, false },
		{ "MP3 in WAV", 85, 1, 0, false },
	};
	struct audio a;

	for (size_t i = 0; i < COUNT(rows); i++) {
		riff(36 + 16000);
		fmt(rows[i].tag, rows[i].channels, rows[i].bits);
		data(16000);
		put_fill(0x80, 16000);
		a = probe();
		tap_ok(a.kind == (rows[i].is_audio ? AUDIO_WAV : AUDIO_NONE),
		    "WAV, %s: %s", rows[i].name,
		    rows[i].is_audio ? "known" : "not taken");
		if (rows[i].is_audio)
			tap_ok(near(a.seconds, 16000.0 * 8 / rows[i].channels /
			    rows[i].bits / 8000, 1e-9) && a.channels ==
			    (int)rows[i].channels && a.sample_hz == 8000,
			    "WAV, %s: its length and shape", rows[i].name);
	}
}

static void
test_wav_lengths(void)
{
	static const struct {
		const char	*name;
		unsigned long	 riff, data;
		size_t		 bytes;
		double		 seconds;
	} rows[] = {
		{ "as it says", 36 + 8000, 8000, 8000, 0.5 },
		{ "cut off", 36 + 8000, 8000, 4000, 0.25 },
		{ "in the middle of a sample", 36 + 8000, 8000, 4001, 0.25 },
		{ "streamed, 0xffffffff", 0xffffffff, 0xffffffff, 8000, 0.5 },
		{ "streamed, as sox writes it", 0x7ffff024, 0x7ffff000, 8000,
		    0.5 },
		{ "streamed, 0", 0, 0, 8000, 0.5 },
		{ "streamed, 0 in an empty file's header", 36, 0, 8000, 0.5 },
		{ "followed by something else", 36 + 8008, 8000, 8008, 0.5 },
		{ "header only", 36, 0, 0, 0 },
		{ "header only, claiming more", 36 + 8000, 8000, 0, 0 },
		{ "empty, with a chunk behind", 36 + 8, 0, 8, 0 },
	};
	struct audio a;

	for (size_t i = 0; i < COUNT(rows); i++) {
		riff(rows[i].riff);
		fmt(1, 1, 16);
		data(rows[i].data);
		put_fill(0, rows[i].bytes);
		a = probe();
		tap_ok(a.kind == AUDIO_WAV &&
		    near(a.seconds, rows[i].seconds, 1e-9) && a.silent,
		    "WAV, %s: %g s of silence", rows[i].name, rows[i].seconds);
	}
}

static void
test_wav_chunks(void)
{
	for (int padded = 0; padded < 2; padded++) {
		riff(0);
		put("LIST", 4);
		put_le(5, 4);
		put("five!", 5);
		if (padded)
			put_fill(0, 1);
		fmt(1, 1, 16);
		put("fact", 4);
		put_le(4, 4);
		put_le(4000, 4);
		data(8000);
		tone(0.5, -20, 0);
		tap_ok(near(probe().seconds, 0.5, 1e-9), "WAV, odd chunk %s: "
		    "found behind it", padded ? "padded" : "not padded");
	}
	riff(0);
	put("fmt ", 4);
	put_le(40, 4);
	put("\xfe\xff\2\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x08\0", 16);
	put("\x16\0\x08\0\3\0\0\0\7\0\0\0\0\0\20\0\200\0\0\xaa\0\x38\x9b"
	    "\x71", 24);
	data(8000);
	for (int i = 0; i < 4000; i++)
		put_le(i % 2 == 0 ? 0x8080 : 0, 2);
	tap_ok(near(probe().seconds, 0.5, 1e-9) &&
	    near(probe().peak_dbfs, 0, 0.2), "WAV, extensible mu-law: known");

	wav();
	for (size_t full = len; full > 0; len = --full)
		if (full < 44 && probe().kind != AUDIO_NONE)
			break;
	tap_ok(len == 0, "WAV, truncated anywhere in its header: not taken");
	riff(0);
	data(8000);
	fmt(1, 1, 16);
	tap_ok(probe().kind == AUDIO_NONE, "WAV, data before fmt: not taken");
}

static void
test_wav_levels(void)
{
	static const double	 levels[] = { -10, -30, -50, -53, -55, -70 };
	static const struct { unsigned tag; int loud, quiet; } laws[] = {
		{ 7, 0x80, 0x00 }, { 6, 0xaa, 0x2a } };
	struct audio		 a;

	for (size_t i = 0; i < COUNT(levels); i++) {
		wav();
		tone(2, levels[i], 0.01);
		a = probe();
		tap_ok(near(a.peak_dbfs, levels[i], 0.2) &&
		    a.silent == (levels[i] < -54), "WAV, tone at %g dBFS "
		    "beside an offset: %s", levels[i],
		    a.silent ? "silent" : "not silent");
	}
	for (size_t i = 0; i < COUNT(laws); i++) {
		riff(0);
		fmt(laws[i].tag, 1, 8);
		data(16000);
		for (int k = 0; k < 8000; k++) {
			put_fill(laws[i].loud, 1);
			put_fill(laws[i].quiet, 1);
		}
		tap_ok(near(probe().peak_dbfs, 0, 0.2),
		    "WAV, %s: its loudest bytes are full scale",
		    laws[i].tag == 7 ? "mu-law" : "A-law");
	}
	riff(0);
	fmt(1, 2, 16);
	data(0);
	for (int k = 0; k < 8000; k++)
		put_le(k % 2 == 0 ? 0x10000000 : 0xf0000000, 4);
	tap_ok(near(probe().peak_dbfs, -18.1, 0.1),
	    "WAV, one channel silent: as loud as the other");
}

static void
test_wav_moments(void)
{
	struct audio a;

	wav();
	tone(30, -100, 0);
	put_le(0x7fff, 2);
	put_le(0x8000, 2);
	tone(30, -100, 0);
	a = probe();
	tap_ok(a.silent && a.kind == AUDIO_WAV, "WAV, a click in a minute of "
	    "silence: silent");
	wav();
	tone(30, -100, 0);
	tone(0.5, -45, 0);
	tone(30, -100, 0);
	tap_ok(!probe().silent, "WAV, half a second at -45 dBFS in a minute of "
	    "silence: not silent");
	wav();
	tone(0.05, -30, 0);
	tap_ok(!probe().silent, "WAV, too short to judge: not silent");
}

/* --- MP3 ------------------------------------------------------------------ */

static void
test_mp3_frames(void)
{
	struct audio	 a;
	size_t		 head;

	len = 0;
	frames(100, silence);
	a = probe();
	tap_ok(a.kind == AUDIO_MP3 && near(a.seconds, 7.2, 1e-9) &&
	    a.channels == 1 && a.sample_hz == 8000 && a.silent,
	    "MP3, 100 frames: 7.2 s of silence");
	frames(1, silence);
	len -= 40;
	tap_ok(near(probe().seconds, 7.2, 1e-9), "MP3, cut off in a frame: "
	    "whole frames count");
	len -= 200;
	frames(10, silence);
	tap_ok(near(probe().seconds, 7.92, 1e-9), "MP3, found again behind "
	    "bytes that are no frame");
	len = 0;
	frames(1, silence);
	tap_ok(near(probe().seconds, 0.072, 1e-9), "MP3, one frame is all");
	put("x", 1);
	tap_ok(probe().kind == AUDIO_NONE, "MP3, one frame and something "
	    "else: not taken");
	len = FRAME;
	put("TAG", 3);
	put_fill(' ', 125);
	tap_ok(near(probe().seconds, 0.072, 1e-9), "MP3, one frame and a tag");
	len = FRAME - 1;
	tap_ok(probe().kind == AUDIO_NONE, "MP3, less than a frame: not taken");
	len = 0;
	put("ID3\4\0\x10\0\3\2\1", 10);
	put_fill('x', (3 << 14) + 257 + 10);
	put("ID3\3\0\0\0\0\0\4", 10);
	put_fill(0, 4 + 100);
	head = len;
	frames(2, silence);
	memcpy(file + head + 4 + 9, "Info", 4);
	put("TAG", 3);
	put_fill(' ', 125);
	tap_ok(near(probe().seconds, 0.072, 1e-9), "MP3, tags and an Info "
	    "frame around one frame: one frame");
	len = head + FRAME;
	a = probe();
	tap_ok(a.kind == AUDIO_MP3 && a.silent && near(a.seconds, 0, 0),
	    "MP3, Info frame only: nothing to hear");
}

static void
test_mp3_headers(void)
{
	static const struct {
		const char	*name, *bytes;
		bool		 is_audio;
	} rows[] = {
		{ "8 kHz", "\xff\xe3\x48\xc0", true },
		{ "with a checksum", "\xff\xe2\x48\xc0", true },
		{ "16 kHz, stereo", "\xff\xf3\x88\x40", true },
		{ "44.1 kHz", "\xff\xfb\x90\x64", true },
		{ "no version", "\xff\xeb\x48\xc0", false },
		{ "layer II", "\xff\xfd\x48\xc0", false },
		{ "no layer", "\xff\xe1\x48\xc0", false },
		{ "free format", "\xff\xe3\x08\xc0", false },
		{ "no bit rate", "\xff\xe3\xf8\xc0", false },
		{ "no sampling rate", "\xff\xe3\x4c\xc0", false },
		{ "no emphasis", "\xff\xe3\x48\xc2", false },
	};
	static const size_t sizes[] = { 288, 288, 288, 417 };

	for (size_t i = 0; i < COUNT(rows); i++) {
		len = 0;
		for (int k = 0; k < 2; k++) {
			put(rows[i].bytes, 4);
			put_fill(0, (i < COUNT(sizes) ? sizes[i] : 288) - 4);
		}
		tap_ok((probe().kind == AUDIO_MP3) == rows[i].is_audio,
		    "MP3, header with %s: %s", rows[i].name,
		    rows[i].is_audio ? "taken" : "not taken");
	}
}

static void
test_mp3_levels(void)
{
	struct audio	a, b;

	len = 0;
	frames(50, loud);
	a = probe();
	tap_ok(!a.silent, "MP3, loud: not silent");
	len = 0;
	frames(50, (struct frame){ .gain = 178 });
	b = probe();
	tap_ok(near(a.peak_dbfs - b.peak_dbfs, 15.05, 0.1),
	    "MP3, ten steps of gain: 15 dB");
	len = 0;
	frames(50, (struct frame){ .gain = 188, .scale = 4 });
	b = probe();
	tap_ok(near(a.peak_dbfs - b.peak_dbfs, 12.04, 0.1),
	    "MP3, four steps of scalefactor: 12 dB");
	len = 0;
	frames(1, silence);
	frames(50, (struct frame){ 188, 4, 100, false });
	tap_ok(near(probe().peak_dbfs, b.peak_dbfs, 0.1),
	    "MP3, scalefactors in the frame before: the same");
	len = 0;
	frames(50, (struct frame){ .gain = 210, .bare = true });
	tap_ok(probe().silent, "MP3, scalefactors and no codes: silent");
	len = 0;
	frames(400, silence);
	frames(2, loud);
	frames(400, silence);
	tap_ok(probe().silent, "MP3, a click's two frames in a minute of "
	    "silence: silent");
	len = 0;
	frames(400, silence);
	frames(3, loud);
	frames(400, silence);
	tap_ok(!probe().silent, "MP3, a word's three: not silent");
}

/* --- neither -------------------------------------------------------------- */

static void
test_not_audio(void)
{
	static const char *const texts[] = {
		"", "R", "RIFF", "ID3", "\xff\xfb", "hello",
		"<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse>"
		"<RestException><Code>20404</Code></RestException>"
		"</TwilioResponse>",
		"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
		"{\"code\": 20404, \"message\": \"not found\"}",
	};
	uint64_t	x = 88172645463325252ULL;
	int		taken = 0;

	for (size_t i = 0; i < COUNT(texts); i++) {
		len = 0;
		put(texts[i], strlen(texts[i]));
		tap_ok(probe().kind == AUDIO_NONE, "not audio: %.30s",
		    texts[i]);
	}
	for (int i = 0; i < 2000; i++) {
		len = 0;
		if (i % 2 == 0)
			put("\xff\xfb\x50\0", 4);
		for (int k = 0; k < 256; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			put(&x, 8);
		}
		taken += probe().kind != AUDIO_NONE;
	}
	tap_ok(taken == 0, "not audio: random bytes, half of them behind a "
	    "frame's header");
}

int
main(void)
{
	test_wav_kinds();
	test_wav_lengths();
	test_wav_chunks();
	test_wav_levels();
	test_wav_moments();
	test_mp3_frames();
	test_mp3_headers();
	test_mp3_levels();
	test_not_audio();
	return tap_done();
}
