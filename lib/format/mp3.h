/* SPDX-License-Identifier: ISC */
/* mp3: walks the frames of an MPEG 1, 2 or 2.5 layer III recording and
 * estimates how loud each is from what stands in front of its Huffman codes.
 * ID3 tags, the Xing, Info or VBRI frame and bytes that are no frame are
 * passed over; free format is not known. Pure. The method and its measured
 * error stand in mp3.c. */
#ifndef FORMAT_MP3_H
#define FORMAT_MP3_H

#include <stdbool.h>
#include <stddef.h>

#include "format/stretch.h"

#define MP3_BANDS	22
#define MP3_FRAME_MAX	1441		/* bytes: 320 kbit/s at 32 kHz */
#define MP3_BORROW_MAX	511		/* bytes of earlier frames it may use */

struct mp3 {
	const unsigned char *s;		/* the caller's bytes */
	size_t		 n;
	size_t		 at;		/* where the next frame is expected */
	unsigned char	 first[4];	/* the header all others must match */
	int		 channels;
	int		 sample_hz;
	bool		 started;	/* past the Xing, Info or VBRI frame */
	/* The bit reservoir: main data of this frame and the last bytes of
	 * those before it. */
	unsigned char	 pool[MP3_BORROW_MAX + MP3_FRAME_MAX];
	size_t		 pool_bytes;
	unsigned char	 scale[2][MP3_BANDS]; /* scalefactors of granule 0 */
};

/* True when at least two frames follow each other, or one is all there is. */
bool	 mp3_open(struct mp3 *, const void *bytes, size_t n);

/* The next whole frame; false at the end. */
bool	 mp3_next(struct mp3 *, struct stretch *);

#endif
