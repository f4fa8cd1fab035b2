/* SPDX-License-Identifier: ISC */
/* audio_odd: recordings that are damaged, or legal and never met: what does
 * not fit is not taken, what does is measured without reading past an end. */
#include "format/audio.h"

#include <stdint.h>
#include <string.h>

#include "recording.h"
#include "tap.h"

/* --- WAV ------------------------------------------------------------------ */

static const struct {
	const char	*name;
	const char	*fmt;
	size_t		 bytes;
} formats[] = {
	{ "a fmt chunk of 14 bytes",
	    BYTES("\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0") },
	{ "extensible, without room to say what it is",
	    BYTES("\xfe\xff\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0") },
	{ "nine channels",
	    BYTES("\1\0\x9\0\x40\x1f\0\0\0\0\0\0\2\0\x10\0") },
	{ "999 samples a second",
	    BYTES("\1\0\1\0\xe7\3\0\0\0\0\0\0\2\0\x10\0") },
	{ "400000 samples a second",
	    BYTES("\1\0\1\0\x80\x1a\6\0\0\0\0\0\2\0\x10\0") },
};

static void
test_wav_formats(void)
{
	for (size_t i = 0; i < COUNT(formats); i++) {
		riff(0xffffffff);
		put("fmt ", 4);
		put_le(formats[i].bytes, 4);
		put(formats[i].fmt, formats[i].bytes);
		data(800);
		put_fill(0, 800);
		tap_ok(probe().kind == AUDIO_NONE, "WAV, %s: not taken",
		    formats[i].name);
	}
	riff(0xffffffff);
	put("LIST", 4);
	put_le(5, 4);
	put("five!", 5);
	tap_ok(probe().kind == AUDIO_NONE, "WAV, ends in an odd chunk");
}

/* --- MP3 ------------------------------------------------------------------ */

/* Of MPEG 2, 22.05 kHz, 32 kbit/s, mono: 104 bytes; and what it is not. */
static const char	ours[] = "\xff\xf3\x40\xc0";
static const struct {
	const char	*name;
	const char	*header;
} strangers[] = {
	{ "another sampling rate", "\xff\xf3\x44\xc0" },
	{ "another version", "\xff\xfb\x40\xc0" },
	{ "another number of channels", "\xff\xf3\x40\x40" },
};

static void
test_strangers(void)
{
	for (size_t i = 0; i < COUNT(strangers); i++) {
		len = 0;
		for (int k = 0; k < 3; k++) {
			put(ours, 4);
			put_fill(0, 100);
		}
		tap_ok(probe().kind == AUDIO_MP3, "MP3, %s: before",
		    strangers[i].name);
		memcpy(file + 104, strangers[i].header, 4);
		tap_ok(probe().kind == AUDIO_NONE, "MP3, %s: not the same "
		    "recording", strangers[i].name);
	}
}

static void
test_tags(void)
{
	size_t head;

	len = 0;
	put("ID3\4\0\0\x7f\x7f\x7f\x7f", 10);
	frames(2, silence);
	tap_ok(probe().kind == AUDIO_NONE, "MP3, a tag longer than the file");
	len = 0;
	put("ID3\4\0\0\0\0\0\x80", 10);
	frames(2, silence);
	tap_ok(probe().kind == AUDIO_NONE, "MP3, a tag whose length is none");
	len = 0;
	put("ID3\4\0\0\0\0\0\4four", 14);
	put_fill(0, 64);
	tap_ok(probe().kind == AUDIO_NONE, "MP3, a tag and zeros");
	len = 0;
	head = len;
	frames(3, silence);
	memcpy(file + head + 36, "VBRI", 4);
	tap_ok(near(probe().seconds, 0.144, 1e-9),
	    "MP3, a VBRI frame is not heard");
	len = 0;
	put("RIFF\4\0\0\0AVI LIST", 16);
	tap_ok(probe().kind == AUDIO_NONE, "a film is no recording");
}

/* The smallest frame there is: 24 bytes, in which nothing but the side
 * information has room. */
static void
test_smallest(void)
{
	struct audio a;

	for (int joint = 0; joint < 2; joint++) {
		len = 0;
		for (int i = 0; i < 50; i++) {
			put("\xff\xf3\x14", 3);
			put_fill(joint ? 0x70 : 0x40, 1);
			put_fill(0, 20);
		}
		a = probe();
		tap_ok(a.kind == AUDIO_MP3 && a.channels == 2 && a.silent &&
		    near(a.seconds, 1.2, 1e-9), "MP3, 50 of the smallest "
		    "frames, in %sstereo", joint ? "joint " : "");
	}
	for (int i = 0; i < 50; i++)
		memset(file + 24 * i + 4, 0xff, 20);
	a = probe();
	tap_ok(a.kind == AUDIO_MP3 && near(a.seconds, 1.2, 1e-9),
	    "MP3, the same of ones alone: measured, whatever it means");
}

/* MPEG 1, 48 kHz, 32 kbit/s, mono: 96 bytes, 75 of them main data. */
static void
test_past_the_end(void)
{
	unsigned char	 s[96] = { 0xff, 0xfb, 0x14, 0xc0 };
	size_t		 at = 32 + 9 + 5 + 4;

	bits(s, &at, 75 * 8 - 8, 12);	/* all but the last byte of it */
	at += 59 - 12;
	bits(s, &at, 8, 12);
	bits(s, &at, 100, 9);
	bits(s, &at, 200, 8);
	bits(s, &at, 15, 4);		/* scalefactors of 74 bits */
	bits(s, &at, 0, 1);
	bits(s, &at, 0x6318, 15);
	bits(s, &at, 15, 4);		/* and regions past the last band */
	bits(s, &at, 7, 3);
	len = 0;
	for (int i = 0; i < 10; i++)
		put(s, sizeof(s));
	tap_ok(probe().kind == AUDIO_MP3 && near(probe().seconds, 0.24, 1e-9),
	    "MP3, scalefactors that go on behind the frame");
}

static void
test_extremes(void)
{
	struct audio a;

	len = 0;
	frames(50, (struct frame){ .gain = 255 });
	a = probe();
	tap_ok(near(a.peak_dbfs, 0, 0) && !a.silent,
	    "MP3, louder than can be: full scale");
	len = 0;
	frames(50, (struct frame){ .gain = 1 });
	a = probe();
	tap_ok(near(a.peak_dbfs, -120, 0) && a.silent,
	    "MP3, softer than can be: nothing");
	len = 0;
	frames(1, loud);
	file[4] = 40;	/* bytes of frames that are not there */
	frames(1, silence);
	tap_ok(near(probe().seconds, 0.144, 1e-9) && !probe().silent,
	    "MP3, borrows before the beginning: a guess, too loud");
}

/* --- parts ---------------------------------------------------------------- */

static void
test_parts(void)
{
	struct audio_part	p;
	size_t			offset = 0;

	len = 0;
	frames(20, loud);
	put("junk", 4);
	frames(20, loud);
	tap_ok(audio_next_part(file, len, 20 * FRAME, &offset, &p) &&
	    p.body_bytes <= 20 * FRAME && offset <= 20 * FRAME,
	    "MP3, no cut behind bytes that are no frame");
	wav();
	tone(1, -20, 0);
	offset = 0;
	tap_ok(!audio_next_part(file, len, 44, &offset, &p),
	    "WAV, room for its header alone");
	tap_ok(audio_next_part(file, len, SIZE_MAX, &offset, &p) &&
	    p.head_bytes + p.body_bytes == len, "WAV, room without an end");
	tap_ok(!audio_next_part(file, len, SIZE_MAX, &offset, &p),
	    "WAV, and nothing behind it");
}

int
main(void)
{
	test_wav_formats();
	test_strangers();
	test_tags();
	test_smallest();
	test_past_the_end();
	test_extremes();
	test_parts();
	return tap_done();
}
