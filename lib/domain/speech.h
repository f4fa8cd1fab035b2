/* SPDX-License-Identifier: ISC */
/* speech: what is asked of OpenAI's transcription API, or of a server that
 * speaks it, and what is believed of the answers. Makes requests and reads
 * answers; the sweep sends them.
 * Source: openai/openai-openapi, POST /audio/transcriptions. */
#ifndef DOMAIN_SPEECH_H
#define DOMAIN_SPEECH_H

#include <stdbool.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "edge/fetch.h"
#include "format/audio.h"
#include "format/json.h"

/* What the transcription of one part of a recording gave. */
struct speech {
	const char	*text;		/* tidied; may be "" */
	const char	*language;	/* or NULL */
	double		 seconds;	/* 0 when the server did not say */
	bool		 heard;		/* somebody speaks in it */
	cJSON		*segments;	/* [{start,end,text,…}], in the mem */
};

/* Longest audio in seconds that the model takes at once; 0: no such limit. */
double		 speech_max_seconds(const char *model);

/* previous_text: the end of the part before, so that the model keeps names
 * and context over the cut; NULL for the first. */
void		 speech_request(const struct cfg *, struct mem *,
		     enum audio_kind, const struct audio_part *,
		     const char *previous_text, struct fetch_request *);

/* start_s is added to every time, so that parts join up. */
MUST_CHECK bool	 speech_read(struct mem *, const struct buf *,
		     double start_s, struct speech *, struct err *);

#endif
