/* SPDX-License-Identifier: ISC */
/* ringback-admin: local administration, by whoever can read the settings. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "base/cfg.h"

#include "base/banned.h"

#define EXIT_USAGE	64

static void
usage(FILE *to)
{
	(void)fprintf(to,
	    "usage: ringback-admin [-f env-file] config [--check "
	    "hooks|api|sweep]\n"
	    "       ringback-admin config --sample\n"
	    "       ringback-admin --help | --version\n");
}

/* Prints the settings in force, or what is wrong with them for a program. */
static int
config(struct mem *m, const char *file, const char *program)
{
	static const struct {
		const char		*name;
		enum cfg_program	 program;
	} programs[] = {
		{ "hooks", CFG_HOOKS }, { "api", CFG_API },
		{ "sweep", CFG_SWEEP },
	};
	enum cfg_program	 which = CFG_ADMIN;
	struct buf		*problems = buf_new(m, 65536);
	struct buf		*out = buf_new(m, 65536);
	struct cfg		*cfg;

	for (size_t i = 0; program != NULL && i < 3; i++)
		if (strcmp(programs[i].name, program) == 0)
			which = programs[i].program;
	if (program != NULL && which == CFG_ADMIN) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!cfg_load(&cfg, m, file, which, problems)) {
		(void)fprintf(stderr, "ringback-admin: the configuration has "
		    "errors:\n%s", problems->s);
		return CFG_EXIT;
	}
	if (program == NULL) {
		cfg_print(cfg, out);
		(void)fputs(out->s, stdout);
	}
	return 0;
}

static int
sample(struct mem *m)
{
	struct buf *out = buf_new(m, 65536);

	cfg_sample(out);
	(void)fputs(out->s, stdout);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "check", required_argument, NULL, 'c' },
		{ "sample", no_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct mem	*m = mem_new();
	const char	*file = NULL, *program = NULL;
	bool		 want_sample = false;
	int		 c, status = EXIT_USAGE;

	while ((c = getopt_long(argc, argv, "f:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			file = optarg;
			break;
		case 'c':
			program = optarg;
			break;
		case 's':
			want_sample = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			(void)printf("ringback-admin %s\n", VERSION);
			return 0;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind + 1 == argc && strcmp(argv[optind], "config") == 0)
		status = want_sample ? sample(m) : config(m, file, program);
	else
		usage(stderr);
	mem_free(m);
	return status;
}
