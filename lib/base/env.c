/* SPDX-License-Identifier: ISC */
/* env: one line at a time. */
#include "base/env.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"

#include "base/banned.h"

/* Cuts a line into name and value, in place. False: neither blank, comment
 * nor an assignment. *name is NULL for a line that says nothing. */
static bool
line_split(char *line, char **name, char **value)
{
	char	*p = line, *end, quote;

	*name = NULL;
	while (isspace((unsigned char)*p))
		p++;
	if (*p == '\0' || *p == '#')
		return true;
	if (text_starts(p, "export "))
		p += 7;
	end = p + strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_");
	if (end == p || *end != '=')
		return false;
	*end = '\0';
	*name = p;
	p = end + 1;
	if (*p == '\'' || *p == '"') {
		quote = *p++;
		if ((end = strchr(p, quote)) == NULL)
			return false;
		*end++ = '\0';
		*value = p;
		while (isspace((unsigned char)*end))
			end++;
		return *end == '\0' || *end == '#';
	}
	*value = p;
	if ((end = strstr(p, " #")) != NULL)
		*end = '\0';
	for (end = p + strlen(p); end > p &&
	    isspace((unsigned char)end[-1]); end--)
		end[-1] = '\0';
	return true;
}

/* Room for one more. */
static struct env_line *
grow(struct mem *m, struct env_line *lines, size_t count)
{
	struct env_line *grown;

	if (count % 32 != 0)
		return lines;
	grown = mem_array(m, count + 32, sizeof(*grown));
	if (count != 0)
		memcpy(grown, lines, count * sizeof(*grown));
	return grown;
}

void
env_read(struct mem *m, const char *file, struct env_line **lines,
    size_t *count, struct buf *problems)
{
	struct stat	 st;
	char		*line = NULL, *raw, *name, *value;
	size_t		 room = 0;
	ssize_t		 n;
	unsigned	 number = 0;
	FILE		*fp = fopen(file, "re");

	*lines = NULL;
	*count = 0;
	if (fp == NULL) {
		buf_printf(problems, "%s: %s\n", file, strerror(errno));
		return;
	}
	if (fstat(fileno(fp), &st) == 0 && (st.st_mode & 0007) != 0)
		buf_printf(problems, "%s: others can read it; chmod 0600\n",
		    file);
	while ((n = getline(&line, &room, fp)) > 0) {
		number++;
		raw = mem_dup_n(m, line, strcspn(line, "\r\n"));
		if (strlen(line) != (size_t)n ||
		    !line_split(line, &name, &value)) {
			buf_printf(problems, "%s line %u: not NAME=value\n",
			    file, number);
		} else if (name != NULL) {
			*lines = grow(m, *lines, *count);
			(*lines)[(*count)++] = (struct env_line){
				.name = mem_dup(m, name),
				.value = mem_dup(m, value),
				.raw = strchr(raw, '=') + 1,
				.number = number,
			};
		}
	}
	if (ferror(fp))
		buf_printf(problems, "%s: %s\n", file, strerror(errno));
	free(line);
	(void)fclose(fp);
}
