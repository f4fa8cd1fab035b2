/* SPDX-License-Identifier: ISC */
/* reserve: slots that are overwritten in place, which needs no room. */
#include "edge/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#include "base/banned.h"

#define SLOT		16384
#define ROOM		(SLOT - 1)	/* behind the mark */

/* A slot's first byte. */
enum mark { FREE = 0, FIRST = 'F', NEXT = 'N', GONE = 'G' };

static off_t
at(size_t slot)
{
	return (off_t)slot * SLOT;
}

/* Opened and locked; close() ends both. -1 with errno. */
static int
open_locked(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0660);

	if (fd >= 0 && flock(fd, LOCK_EX) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static size_t
slots_in(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (size_t)st.st_size / SLOT : 0;
}

static bool
is_marked(int fd, size_t slot, enum mark mark)
{
	char c;

	return pread(fd, &c, 1, at(slot)) == 1 && c == (char)mark;
}

static bool
set_mark(int fd, size_t slot, enum mark mark)
{
	const char c = (char)mark;

	return pwrite(fd, &c, 1, at(slot)) == 1;
}

/* The next slot after this one that was ever written to, below `all`; or all.
 * What has only been set aside is a hole to SEEK_DATA, and reads as FREE. A
 * file system that cannot tell says that all of it is data. *end: of what was
 * found last; 0 at first. */
static size_t
next_used(int fd, size_t slot, size_t all, size_t *end)
{
	off_t used;

	if (slot < *end)
		return slot;
	if (slot >= all || (used = lseek(fd, at(slot), SEEK_DATA)) < 0)
		return all;
	*end = ((size_t)lseek(fd, used, SEEK_HOLE) + SLOT - 1) / SLOT;
	return (size_t)used / SLOT;
}

/* Of a record that is gone, its first slot last. */
static void
free_slots(int fd, size_t slot)
{
	size_t end = slot + 1;

	while (is_marked(fd, end, NEXT))
		end++;
	while (end-- > slot)
		if (!set_mark(fd, end, FREE))
			break;
}

bool
reserve_make(const char *path, size_t slots, struct err *e)
{
	int	fd, why;
	size_t	all, end = 0;
	bool	ok, changed;

	if (slots == 0)
		return true;
	if ((fd = open_locked(path, O_RDWR | O_CREAT)) < 0)
		return err_sys(e, "reserve: open %s", path);
	changed = slots_in(fd) < slots;
	why = changed ? posix_fallocate(fd, 0, at(slots)) : 0;
	errno = why;
	ok = why == 0 || err_sys(e, "reserve: set aside %zu kB in %s",
	    slots * (SLOT / 1024), path);
	all = ok ? slots_in(fd) : 0;
	for (size_t s = 0; (s = next_used(fd, s, all, &end)) < all; s++)
		if (is_marked(fd, s, GONE)) {
			free_slots(fd, s);
			changed = true;
		}
	/* Every start of a worker comes through here: none waits for a disk
	 * that has nothing to do. What a crash of the machine undoes is made
	 * again. */
	ok = ok && (!changed || fsync(fd) == 0 ||
	    err_sys(e, "reserve: sync %s", path));
	(void)close(fd);
	return ok;
}

/* The first of `count` free slots in a row. The search goes on where the last
 * one of this process ended. */
static bool
find_free(int fd, size_t count, size_t *slot)
{
	static size_t	from;
	size_t		all = slots_in(fd), run = 0;

	for (size_t i = 0; all != 0 && i < all + count; i++) {
		size_t s = (from + i) % all;

		run = s == 0 ? 0 : run;		/* it does not wrap round */
		run = is_marked(fd, s, FREE) ? run + 1 : 0;
		if (run == count) {
			*slot = s + 1 - count;
			from = s + 1;
			return true;
		}
	}
	return false;
}

bool
reserve_put(struct mem *m, const char *path, const void *p, size_t n,
    struct err *e)
{
	const size_t	 count = (n + ROOM - 1) / ROOM;
	char		*image = mem_get(m, count * SLOT);
	size_t		 slot;
	int		 fd = open_locked(path, O_RDWR);
	bool		 ok;

	if (fd < 0)
		return err_sys(e, "reserve: open %s", path);
	for (size_t i = 0; i < count; i++) {
		size_t rest = n - i * ROOM;

		image[i * SLOT] = i == 0 ? FIRST : NEXT;
		memcpy(image + i * SLOT + 1, (const char *)p + i * ROOM,
		    rest < ROOM ? rest : ROOM);
	}
	if (!find_free(fd, count, &slot))
		ok = err_set(e, ERR_SYSTEM, "reserve: %s is full", path);
	else
		ok = (pwrite(fd, image, count * SLOT, at(slot)) ==
		    (ssize_t)(count * SLOT) && fdatasync(fd) == 0) ||
		    err_sys(e, "reserve: write %s", path);
	(void)close(fd);
	return ok;
}

bool
reserve_list(struct mem *m, const char *path, size_t **slots, size_t *count,
    struct err *e)
{
	int	fd = open_locked(path, O_RDONLY);
	size_t	all, end = 0;

	*slots = NULL;
	*count = 0;
	if (fd < 0)
		return errno == ENOENT || err_sys(e, "reserve: open %s", path);
	all = slots_in(fd);
	*slots = mem_array(m, all + 1, sizeof(**slots));
	for (size_t s = 0; (s = next_used(fd, s, all, &end)) < all; s++)
		if (is_marked(fd, s, FIRST))
			(*slots)[(*count)++] = s;
	(void)close(fd);
	return true;
}

bool
reserve_get(struct mem *m, const char *path, size_t slot, char **out,
    size_t *n, struct err *e)
{
	struct buf	*b = buf_new(m, 2 * 1024 * 1024);
	char		*one = mem_get(m, SLOT);
	int		 fd = open_locked(path, O_RDONLY);
	enum mark	 mark = FIRST;
	bool		 ok = true;

	if (fd < 0)
		return err_sys(e, "reserve: open %s", path);
	for (; is_marked(fd, slot, mark) && ok; slot++, mark = NEXT) {
		ok = pread(fd, one, SLOT, at(slot)) == SLOT ||
		    err_sys(e, "reserve: read %s", path);
		if (ok)
			buf_add(b, one + 1, ROOM);
	}
	(void)close(fd);
	*out = b->s;
	*n = b->len;
	return ok;
}

/* First it is no record any more; killed behind that, its slots are freed by
 * the next reserve_make(). */
void
reserve_free(const char *path, size_t slot)
{
	int fd = open_locked(path, O_RDWR);

	if (fd < 0)
		return;
	if (is_marked(fd, slot, FIRST) && set_mark(fd, slot, GONE))
		free_slots(fd, slot);
	(void)close(fd);
}

bool
reserve_blank(const char *path, struct err *e)
{
	static const char	zeros[SLOT];
	struct mem		*m;
	char			*one;
	int			 fd = open_locked(path, O_RDWR);
	bool			 ok = true;

	if (fd < 0)
		return errno == ENOENT || err_sys(e, "reserve: open %s", path);
	m = mem_new();
	one = mem_get(m, SLOT);
	for (size_t s = 0; ok && s < slots_in(fd); s++) {
		if (is_marked(fd, s, GONE))
			free_slots(fd, s);
		if (!is_marked(fd, s, FREE))
			continue;
		ok = pread(fd, one, SLOT, at(s)) == SLOT &&
		    (memcmp(one, zeros, SLOT) == 0 ||
		    pwrite(fd, zeros, SLOT, at(s)) == SLOT);
	}
	ok = (ok && fdatasync(fd) == 0) ||
	    err_sys(e, "reserve: blank %s", path);
	(void)close(fd);
	mem_free(m);
	return ok;
}
