/* SPDX-License-Identifier: ISC */
/* audio: looks at recorded bytes without decoding them: what they are, how
 * long, how loud, and where they may be cut. Keeps silence, empty files and
 * error pages away from a paid transcription, and files over a server's
 * limit in pieces it takes. Pure. */
#ifndef FORMAT_AUDIO_H
#define FORMAT_AUDIO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum audio_kind { AUDIO_NONE, AUDIO_MP3, AUDIO_WAV };

struct audio {
	enum audio_kind	 kind;		/* by magic bytes, not by any label */
	double		 seconds;	/* of sound found, 0 when header only */
	int		 channels;
	int		 sample_hz;
	bool		 silent;	/* nothing in it as loud as quiet speech */
	double		 peak_dbfs;	/* estimate for the loudest stretch */
};

/* Never fails: bytes that are not audio give AUDIO_NONE. */
struct audio	 audio_probe(const void *bytes, size_t n);

const char	*audio_mime(enum audio_kind);	/* "audio/mpeg", "audio/wav" */
const char	*audio_suffix(enum audio_kind);	/* ".mp3", ".wav" */

/* One part of a recording that is larger than max_bytes, cut between frames
 * (mp3) or samples (wav) and, where there is one near, in a quiet place.
 * Start with *offset = 0; false when the recording is used up, or max_bytes
 * holds not even one frame (below 1.5 KB) or 40 ms of samples. For WAV the
 * caller must put head (head_bytes, a fresh RIFF header) before the body. Tags
 * and encoders' notes are in no part: they speak of the whole. */
struct audio_part {
	const void	*body;		/* into the caller's bytes */
	size_t		 body_bytes;
	unsigned char	 head[64];
	size_t		 head_bytes;	/* 0 for mp3 */
	double		 start_s;	/* where in the recording it begins */
	double		 seconds;
};
bool		 audio_next_part(const void *bytes, size_t n, size_t max_bytes,
		     size_t *offset, struct audio_part *);

#endif
