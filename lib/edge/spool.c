/* SPDX-License-Identifier: ISC */
/* spool: write, fsync, rename, fsync the directory. */
#include "edge/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/text.h"
#include "edge/reserve.h"

#include "base/banned.h"

#define MAGIC		"ringback-spool 1 "
#define MAX_FILE	(1024 * 1024)

static const char *
place(struct mem *m, const char *dir, const char *sub, const char *name)
{
	return mem_printf(m, "%s/%s/%s", dir, sub, name);
}

/* Room for when the disk is full, and what its records are called. */
#define RESERVED	"reserve."

static const char *
reserve(struct mem *m, const char *dir)
{
	return mem_printf(m, "%s/reserve", dir);
}

static bool
is_reserved(const char *name, size_t *slot)
{
	long v;

	if (!text_starts(name, RESERVED) || !text_to_long(name +
	    strlen(RESERVED), 0, 1L << 30, &v))
		return false;
	*slot = (size_t)v;
	return true;
}

static bool
make_dirs(struct mem *m, const char *dir, struct err *e)
{
	static const char *const subs[] = { "", "tmp", "new", "bad" };

	for (size_t i = 0; i < 4; i++)
		if (mkdir(place(m, dir, subs[i], ""), 0770) != 0 &&
		    errno != EEXIST)
			return err_sys(e, "spool: make %s/%s", dir, subs[i]);
	return true;
}

static bool
sync_dir(const char *path, struct err *e)
{
	int	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool	ok;

	if (fd < 0)
		return err_sys(e, "spool: open %s", path);
	ok = fsync(fd) == 0 || err_sys(e, "spool: sync %s", path);
	(void)close(fd);
	return ok;
}

static bool
write_all(int fd, const char *p, size_t n)
{
	ssize_t k;

	for (; n > 0; p += k, n -= (size_t)k) {
		while ((k = write(fd, p, n)) < 0 && errno == EINTR)
			;
		if (k <= 0)
			return false;
	}
	return true;
}

static bool
write_durably(const char *path, const struct buf *b)
{
	int	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
		    O_NOFOLLOW, 0640);
	bool	ok;

	if (fd < 0)
		return false;
	ok = write_all(fd, b->s, b->len) && fsync(fd) == 0;
	return close(fd) == 0 && ok;
}

/* A file of a name that nobody has had. *full: the disk is. */
static bool
put_file(struct mem *m, const char *dir, const struct buf *b, bool *full,
    struct err *e)
{
	static unsigned	 sequence;
	struct timespec	 now;
	const char	*name, *tmp, *final;
	bool		 ok;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	name = mem_printf(m, "%010lld%06ld-%ld-%u", (long long)now.tv_sec,
	    now.tv_nsec / 1000, (long)getpid(), sequence++);
	tmp = place(m, dir, "tmp", name);
	final = place(m, dir, "new", name);
	ok = make_dirs(m, dir, e) && ((write_durably(tmp, b) &&
	    rename(tmp, final) == 0) || err_sys(e, "spool: write %s", tmp));
	*full = !ok && (errno == ENOSPC || errno == EDQUOT);
	if (!ok)
		(void)unlink(tmp);
	return ok && sync_dir(place(m, dir, "new", "."), e);
}

bool
spool_prepare(struct mem *m, const char *dir, size_t slots, struct err *e)
{
	return make_dirs(m, dir, e) &&
	    reserve_make(reserve(m, dir), slots, e);
}

bool
spool_put(struct mem *m, const char *dir, const struct spool_record *r,
    struct err *e)
{
	struct buf	*record = buf_new(m, MAX_FILE - 256);
	struct buf	*file = buf_new(m, MAX_FILE);
	bool		 full;

	buf_printf(record, "%s\n%s\n%s\n%s\n", r->route, r->uri,
	    r->received_at, r->verified);
	buf_add(record, r->body, r->body_bytes);
	if (!buf_ok(record))
		return err_set(e, ERR_TOO_LARGE, "spool: record too large");
	buf_printf(file, MAGIC "%s %zu\n",
	    text_sha256(m, record->s, record->len), record->len);
	buf_add(file, record->s, record->len);
	return put_file(m, dir, file, &full, e) ||
	    (!full && put_file(m, dir, file, &full, e)) ||
	    (full && reserve_put(m, reserve(m, dir), file->s, file->len, e));
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool
spool_names(struct mem *m, const char *path, char ***names, struct err *e)
{
	struct dirent	*d;
	DIR		*dir = opendir(path);
	size_t		 n = 0, room = 0;
	char		**list = NULL, **grown;

	*names = mem_array(m, 1, sizeof(**names));
	if (dir == NULL)
		return errno == ENOENT || err_sys(e, "open %s", path);
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		if (n + 1 >= room) {
			room = room == 0 ? 64 : room * 2;
			grown = mem_array(m, room, sizeof(*grown));
			if (n != 0)
				memcpy(grown, list, n * sizeof(*grown));
			list = grown;
		}
		list[n++] = mem_dup(m, d->d_name);
	}
	(void)closedir(dir);
	if (n == 0)
		return true;
	qsort(list, n, sizeof(*list), by_name);
	*names = list;
	return true;
}

bool
spool_list(struct mem *m, const char *dir, char ***names, struct err *e)
{
	char	**files, **all;
	size_t	 *slots, n = 0, count;

	if (!spool_names(m, place(m, dir, "new", "."), &files, e) ||
	    !reserve_list(m, reserve(m, dir), &slots, &count, e))
		return false;
	while (files[n] != NULL)
		n++;
	*names = all = mem_array(m, n + count + 1, sizeof(*all));
	if (n != 0)
		memcpy(all, files, n * sizeof(*all));
	for (size_t i = 0; i < count; i++)
		all[n + i] = mem_printf(m, RESERVED "%zu", slots[i]);
	return true;
}

bool
spool_read_file(struct mem *m, const char *path, size_t cap, char **out,
    size_t *bytes, struct err *e)
{
	int		 fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
			    O_NONBLOCK);	/* it may be a pipe */
	struct stat	 st;
	size_t		 n = 0;
	ssize_t		 k = 0;
	bool		 ok = false;

	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_INPUT, "%s: a link", path);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fstat(fd, &st) != 0) {
		(void)err_sys(e, "stat %s", path);
	} else if (!S_ISREG(st.st_mode) || (size_t)st.st_size > cap) {
		(void)err_set(e, ERR_INPUT, "%s: not a file of at most %zu "
		    "bytes", path, cap);
	} else {
		*out = mem_get(m, (size_t)st.st_size + 1);
		while (n < (size_t)st.st_size && (k = read(fd, *out + n,
		    (size_t)st.st_size - n)) > 0)
			n += (size_t)k;
		*bytes = n;
		ok = k >= 0 || err_sys(e, "read %s", path);
	}
	(void)close(fd);
	return ok;
}

bool
spool_parse(struct mem *m, const char *bytes, size_t n,
    struct spool_record *r, struct err *e)
{
	char		*p = mem_dup_n(m, bytes, n), *end = p + n, digest[65];
	const char	*head;
	size_t		 promised;

	if ((head = text_take_line(&p, end)) == NULL || sscanf(head,
	    MAGIC "%64[0-9a-f] %zu", digest, &promised) != 2 ||
	    promised > (size_t)(end - p) ||
	    strcmp(digest, text_sha256(m, p, promised)) != 0)
		return err_set(e, ERR_INPUT, "the spooled record is damaged");
	end = p + promised;
	if ((r->route = text_take_line(&p, end)) == NULL ||
	    (r->uri = text_take_line(&p, end)) == NULL ||
	    (r->received_at = text_take_line(&p, end)) == NULL ||
	    (r->verified = text_take_line(&p, end)) == NULL)
		return err_set(e, ERR_INPUT, "the spooled record is short");
	r->body = p;
	r->body_bytes = (size_t)(end - p);
	return true;
}

bool
spool_read(struct mem *m, const char *dir, const char *name, char **bytes,
    size_t *n, struct err *e)
{
	size_t slot;

	return is_reserved(name, &slot) ?
	    reserve_get(m, reserve(m, dir), slot, bytes, n, e) :
	    spool_read_file(m, place(m, dir, "new", name), MAX_FILE, bytes, n,
	    e);
}

void
spool_done(struct mem *m, const char *dir, const char *name)
{
	size_t slot;

	if (is_reserved(name, &slot))
		reserve_free(reserve(m, dir), slot);
	else
		(void)unlink(place(m, dir, "new", name));
}

void
spool_bad(struct mem *m, const char *dir, const char *name)
{
	(void)rename(place(m, dir, "new", name), place(m, dir, "bad", name));
}

bool
spool_blank(struct mem *m, const char *dir, struct err *e)
{
	return reserve_blank(reserve(m, dir), e);
}

bool
spool_lock(const char *dir, int *fd, struct err *e)
{
	struct mem	*m = mem_new();
	const char	*path = mem_printf(m, "%s/lock", dir);
	bool		 ok = make_dirs(m, dir, e);

	*fd = -1;
	if (ok) {
		*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
		ok = *fd >= 0 || err_sys(e, "spool: open %s", path);
	}
	if (ok && flock(*fd, LOCK_EX | LOCK_NB) != 0) {
		ok = errno == EWOULDBLOCK || err_sys(e, "spool: lock %s",
		    path);
		(void)close(*fd);
		*fd = -1;
	}
	mem_free(m);
	return ok;
}

void
spool_note(int lock, const char *name, long times)
{
	struct mem	*m = mem_new();
	const char	*text = name == NULL ? "" : mem_printf(m, "%ld %s",
			    times, name);
	size_t		 n = strlen(text);

	/* Not synced: it is processes that die of an event. */
	if (ftruncate(lock, 0) != 0 || pwrite(lock, text, n, 0) != (ssize_t)n)
		log_debug("spool: not noted", "%s", "");
	mem_free(m);
}

const char *
spool_noted(struct mem *m, int lock, long *times)
{
	char	*text = mem_get(m, 512), *blank;
	ssize_t	 n = pread(lock, text, 511, 0);

	*times = 0;
	if (n <= 0 || (blank = strchr(text, ' ')) == NULL)
		return "";
	*blank = '\0';
	return text_to_long(text, 1, 1L << 30, times) ? blank + 1 : "";
}
