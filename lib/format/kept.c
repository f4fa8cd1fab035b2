/* SPDX-License-Identifier: ISC */
/* kept: two lines and a body, whose newline says that nothing is missing. */
#include "format/kept.h"

#include <string.h>

#include "base/text.h"

#include "base/banned.h"

/* A NUL would hide the rest of its line from whoever checks it. */
static const char *
take_text(char **p, const char *end)
{
	const char *line = text_take_line(p, end);

	return line == NULL || line + strlen(line) + 1 != *p ? NULL : line;
}

bool
kept_parse(struct kept *k, struct mem *m, const char *bytes, size_t n,
    struct err *e)
{
	char		*p = mem_dup_n(m, bytes, n);
	const char	*end = p + n;

	if ((k->uri = take_text(&p, end)) == NULL ||
	    (k->signature = take_text(&p, end)) == NULL || end == p ||
	    end[-1] != '\n')
		return err_set(e, ERR_INPUT, "the file is cut short");
	k->body = p;
	k->body_bytes = (size_t)(end - p) - 1;
	return true;
}
