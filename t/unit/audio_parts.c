/* SPDX-License-Identifier: ISC */
/* audio_parts: a recording in pieces is the same recording: nothing lost,
 * nothing twice, no piece too large, and cut where nobody speaks. */
#include "format/audio.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recording.h"
#include "tap.h"

/* What all the parts of the file come to. */
struct sum {
	int		 parts;
	double		 seconds;
	size_t		 bytes;
	size_t		 first;		/* where the first one begins */
	size_t		 first_end;
	size_t		 end;		/* of the last one */
	size_t		 largest;
	bool		 joined;	/* each begins where the last ended */
	bool		 told;		/* seconds are those that a probe finds
					   and start where the last ended */
};

static unsigned char copy[1 << 20];

static struct sum
take_parts(size_t max_bytes)
{
	struct sum		 sum = { .joined = true, .told = true };
	struct audio_part	 p;
	struct audio		 a;
	size_t			 offset = 0, at, n;

	for (; audio_next_part(file, len, max_bytes, &offset, &p);
	    sum.parts++) {
		at = (size_t)((const unsigned char *)p.body - file);
		n = p.head_bytes + p.body_bytes;
		if (sum.parts == 0)
			sum.first = at;
		else
			sum.joined = sum.joined && at == sum.end;
		sum.end = at + p.body_bytes;
		if (sum.parts == 0)
			sum.first_end = sum.end;
		memcpy(copy, p.head, p.head_bytes);
		memcpy(copy + p.head_bytes, p.body, p.body_bytes);
		a = audio_probe(copy, n);
		sum.told = sum.told && fabs(a.seconds - p.seconds) < 1e-9 &&
		    fabs(p.start_s - sum.seconds) < 1e-9;
		sum.seconds += p.seconds;
		sum.bytes += p.body_bytes;
		if (n > sum.largest)
			sum.largest = n;
	}
	return sum;
}

static void
test_whole(void)
{
	static const size_t	 sizes[] = {
		8192, 12820, 30000, 77777, 1 << 20 };
	struct sum		 s;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		len = 0;
		frames(200, silence);
		frames(100, loud);
		s = take_parts(sizes[i]);
		tap_ok(s.joined && s.first == 0 && s.end == len &&
		    s.bytes == len && s.largest <= sizes[i],
		    "MP3, %d parts of at most %zu bytes: every byte once",
		    s.parts, sizes[i]);
		tap_ok(s.told && near(s.seconds, 21.6, 1e-9),
		    "MP3, %d parts: each as long as it says", s.parts);
		wav();
		tone(3, -20, 0);
		s = take_parts(sizes[i]);
		tap_ok(s.joined && s.first == 44 && s.end == len &&
		    s.bytes == len - 44 && s.largest <= sizes[i],
		    "WAV, %d parts of at most %zu bytes: every sample once",
		    s.parts, sizes[i]);
		tap_ok(s.told && near(s.seconds, 3, 1e-9),
		    "WAV, %d parts: each as long as it says", s.parts);
	}
}

static void
test_heads(void)
{
	struct audio_part	 p;
	size_t			 offset = 0;

	riff(0);
	fmt(7, 2, 8);
	data(0);
	put_fill(0xff, 16000);
	tap_ok(audio_next_part(file, len, 5000, &offset, &p) &&
	    p.head_bytes == 58 && p.body_bytes % 2 == 0 &&
	    memcmp(p.head, "RIFF", 4) == 0 &&
	    memcmp(p.head + 8, "WAVEfmt \x12\0\0\0\7\0\2\0\x40\x1f\0\0\x80\x3e"
	    "\0\0\2\0\x08\0\0\0" "fact\4\0\0\0", 38) == 0 &&
	    memcmp(p.head + 50, "data", 4) == 0,
	    "WAV, mu-law: a header with the chunk that it needs");
	tap_ok((size_t)(p.head[54] | p.head[55] << 8) == p.body_bytes &&
	    (size_t)(p.head[4] | p.head[5] << 8) == p.body_bytes + 50 &&
	    (size_t)(p.head[46] | p.head[47] << 8) == p.body_bytes / 2,
	    "WAV, mu-law: true lengths where a stream had none");
}

static void
test_quiet(void)
{
	struct sum s;

	len = 0;
	frames(875, loud);
	frames(25, silence);
	frames(500, loud);
	s = take_parts(1000 * FRAME);
	tap_ok(s.parts == 2 && s.first_end >= 877 * FRAME &&
	    s.first_end <= 898 * FRAME, "MP3, cut in the pause");

	len = 0;
	frames(875, loud);
	frames(1, silence);
	frames(10, (struct frame){ .borrowed = 40 });
	frames(1, silence);
	frames(13, (struct frame){ .borrowed = 40 });
	frames(500, loud);
	s = take_parts(1000 * FRAME);
	tap_ok(s.parts == 2 && s.first_end == 886 * FRAME,
	    "MP3, cut before the frame that borrows nothing");

	len = 0;
	frames(780, loud);
	frames(4, silence);
	frames(616, loud);
	s = take_parts(1000 * FRAME);
	tap_ok(s.parts == 2 && s.first_end > 800 * FRAME,
	    "MP3, a pause in the first 80 percent is left alone");

	for (int ms = 120; ms <= 480; ms += 120) {
		wav();
		tone(2.6, -20, 0);
		tone(ms / 1000.0, -90, 0);
		tone(2.4, -20, 0);
		s = take_parts(44 + 16 * 3125);
		tap_ok(s.parts == 2 && labs((long)s.first_end - 44 -
		    16 * (2600 + ms / 2)) <= 16 * 40,
		    "WAV, cut in the middle of a pause of %d ms", ms);
	}
}

static void
test_odd(void)
{
	struct audio_part	 p;
	struct sum		 s;
	size_t			 offset = 0, head;

	len = 0;
	put("ID3\3\0\0\0\0\0\4four", 14);
	head = len;
	frames(1, silence);
	memcpy(file + head + 4 + 9, "Xing", 4);
	frames(50, loud);
	put_fill(0, 100);
	frames(50, loud);
	put("TAG", 3);
	put_fill(' ', 125);
	s = take_parts(20 * FRAME);
	tap_ok(s.first == head + FRAME && s.end == len - 128 &&
	    near(s.seconds, 7.2, 1e-9), "MP3, tags and Xing frame are in no "
	    "part");
	tap_ok(s.largest <= 20 * FRAME && s.told,
	    "MP3, bytes that are no frame: parts keep their size");

	len = 0;
	frames(10, loud);
	tap_ok(!audio_next_part(file, len, FRAME - 1, &offset, &p),
	    "MP3, not a frame fits: no part");
	tap_ok(take_parts(FRAME).parts == 10, "MP3, one frame fits: ten parts");
	wav();
	tap_ok(take_parts(8192).parts == 0, "WAV, header only: no part");
	len = 0;
	put("<html>", 6);
	tap_ok(take_parts(8192).parts == 0, "not audio: no part");
}

int
main(void)
{
	test_whole();
	test_heads();
	test_quiet();
	test_odd();
	return tap_done();
}
