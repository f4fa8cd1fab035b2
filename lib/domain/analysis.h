/* SPDX-License-Identifier: ISC */
/* analysis: what is asked of the language model about a transcript, and the
 * check of what it answers.
 * Source: openai/openai-openapi, POST /chat/completions, structured output. */
#ifndef DOMAIN_ANALYSIS_H
#define DOMAIN_ANALYSIS_H

#include <stdbool.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "edge/fetch.h"

/* The transcript goes in as data inside a fence nobody can guess; nothing in
 * it is an instruction, and the answer can only become analysis (FAULTS T24).
 * plain: for servers that reject response_format json_schema. */
void		 analysis_request(const struct cfg *, struct mem *,
		     const char *transcript, bool plain,
		     struct fetch_request *);

/* The analysis as JSON with exactly the fields of the schema, and the model
 * that answered. ERR_UPSTREAM: not usable; asking again may help. */
MUST_CHECK bool	 analysis_read(struct mem *, const struct buf *,
		     const char **analysis, const char **model, struct err *);

#endif
