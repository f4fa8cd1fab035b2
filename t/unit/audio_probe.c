/* SPDX-License-Identifier: ISC */
/* audio_probe: prints what lib/format/audio sees in each file named, for
 * t/audio.t.
 *	audio_probe FILE …			-- one line each
 *	audio_probe -m MAX_BYTES -o PREFIX FILE	-- and writes the parts to
 *						   PREFIX1, PREFIX2, … */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "format/audio.h"

static unsigned char *
slurp(const char *path, size_t *n)
{
	FILE		*f = fopen(path, "rb");
	unsigned char	*s;
	long		 size;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0)
		err(1, "%s", path);
	rewind(f);
	/* Exactly as much as there is, so that a sanitizer sees its end. */
	if ((s = malloc(size > 0 ? (size_t)size : 1)) == NULL)
		err(1, "malloc");
	*n = (size_t)size;
	if (fread(s, 1, *n, f) != *n)
		err(1, "%s", path);
	(void)fclose(f);
	return s;
}

static void
write_part(const char *prefix, int number, const struct audio_part *p)
{
	char	 path[4096];
	FILE	*f;

	(void)snprintf(path, sizeof(path), "%s%d", prefix, number);
	if ((f = fopen(path, "wb")) == NULL ||
	    fwrite(p->head, 1, p->head_bytes, f) != p->head_bytes ||
	    fwrite(p->body, 1, p->body_bytes, f) != p->body_bytes ||
	    fclose(f) != 0)
		err(1, "%s", path);
}

static void
print_parts(const unsigned char *s, size_t n, size_t max_bytes,
    const char *prefix)
{
	struct audio_part	 p;
	size_t			 offset = 0;

	for (int i = 1; audio_next_part(s, n, max_bytes, &offset, &p); i++) {
		printf("part=%d at=%td bytes=%zu head=%zu start=%.6f "
		    "seconds=%.6f\n", i, (const unsigned char *)p.body - s,
		    p.body_bytes, p.head_bytes, p.start_s, p.seconds);
		if (prefix != NULL)
			write_part(prefix, i, &p);
	}
}

int
main(int argc, char **argv)
{
	const char	*prefix = NULL;
	size_t		 max_bytes = 0, n;
	unsigned char	*s;
	struct audio	 a;
	int		 c;

	while ((c = getopt(argc, argv, "m:o:")) != -1)
		switch (c) {
		case 'm':
			max_bytes = strtoul(optarg, NULL, 10);
			break;
		case 'o':
			prefix = optarg;
			break;
		default:
			return 2;
		}
	for (; optind < argc; optind++) {
		s = slurp(argv[optind], &n);
		a = audio_probe(s, n);
		printf("file=%s mime=%s suffix=%s seconds=%.6f channels=%d "
		    "hz=%d silent=%d dbfs=%.1f\n", argv[optind],
		    audio_mime(a.kind), audio_suffix(a.kind), a.seconds,
		    a.channels, a.sample_hz, a.silent, a.peak_dbfs);
		if (max_bytes > 0)
			print_parts(s, n, max_bytes, prefix);
		free(s);
	}
	return 0;
}
