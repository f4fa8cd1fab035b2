/* SPDX-License-Identifier: ISC */
/* metric: a file of 64-bit counters behind a word that names their layout. */
#include "base/metric.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#include "base/banned.h"

static const struct {
	const char	*name, *labels, *doc;
} rows[] = {
#define METRIC(id, name, labels, doc) { name, labels, doc },
#include "base/metric.def"
#undef METRIC
};

struct counters {
	uint64_t		layout;
	_Atomic uint64_t	value[METRICS];
	_Atomic uint64_t	words[METRIC_WORDS];
};

static struct counters	*shared;	/* NULL: not opened */

/* Of this process alone; not in its image, where they would part other pages
 * from each other for as long as it lives. */
static struct counters *
own(void)
{
	struct counters *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		abort();
	return c;
}

static struct counters *
counters(void)
{
	if (shared == NULL)
		shared = own();
	return shared;
}

/* FNV-1a over the table: another version's file is started afresh. */
static uint64_t
layout(void)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < METRICS; i++)
		for (int k = 0; k < 2; k++)
			for (const char *p = k == 0 ? rows[i].name :
			    rows[i].labels; *p != '\0'; p++)
				h = (h ^ (unsigned char)*p) * 1099511628211u;
	return h;
}

void
metric_open(const char *path)
{
	/* Group-writable: the programs are different users of a group. */
	int		 fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC |
			     O_NOFOLLOW, 0660);
	struct counters	*map = MAP_FAILED;
	struct stat	 st;
	uint64_t	 want = layout();

	/* Never shorter: whoever has more of it mapped would die of that. */
	if (fd >= 0 && flock(fd, LOCK_EX) == 0 && fstat(fd, &st) == 0 &&
	    (st.st_size >= (off_t)sizeof(*map) ||
	    ftruncate(fd, sizeof(*map)) == 0))
		map = mmap(NULL, sizeof(*map), PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		log_warn("counting for this process alone", "file=%s",
		    log_quote(path));
	} else {
		if (map->layout != want) {
			memset(map, 0, sizeof(*map));
			map->layout = want;
		}
		shared = map;
	}
	if (fd >= 0) {
		/* By hand: the mapping keeps the file, and so the lock, open. */
		(void)flock(fd, LOCK_UN);
		(void)close(fd);
	}
}

void
metric_add(enum metric which, uint64_t n)
{
	(void)atomic_fetch_add_explicit(&counters()->value[which], n,
	    memory_order_relaxed);
}

_Atomic uint64_t *
metric_words(void)
{
	return counters()->words;
}

void
metric_print(struct buf *out)
{
	for (size_t i = 0; i < METRICS; i++) {
		if (i == 0 || strcmp(rows[i].name, rows[i - 1].name) != 0)
			buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n",
			    rows[i].name, rows[i].doc, rows[i].name);
		buf_printf(out, "%s%s%s%s %llu\n", rows[i].name,
		    rows[i].labels[0] == '\0' ? "" : "{", rows[i].labels,
		    rows[i].labels[0] == '\0' ? "" : "}",
		    (unsigned long long)atomic_load_explicit(
		    &counters()->value[i], memory_order_relaxed));
	}
}

void
metric_print_gauge(struct buf *out, const char *name, const char *doc,
    double value)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %g\n", name, doc,
	    name, name, value);
}
