/* SPDX-License-Identifier: ISC */
/* stretch: a moment of a recording that may be cut before and after it, an
 * mp3 frame or a few hundredths of a second of a wav, and how loud it is.
 * What mp3 and wav tell audio. */
#ifndef FORMAT_STRETCH_H
#define FORMAT_STRETCH_H

#include <stdbool.h>
#include <stddef.h>

struct stretch {
	size_t		 offset;	/* in the recording's bytes */
	size_t		 bytes;
	size_t		 samples;	/* of each channel */
	double		 power;		/* mean square of the louder channel,
					   1.0 = full scale; may be a guess */
	bool		 whole;		/* decodes without what came before */
};

#endif
