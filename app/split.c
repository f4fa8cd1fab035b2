/* SPDX-License-Identifier: ISC */
/* split: cuts .env into a file for each program, readable by its user alone,
 * so that none is ever handed what only another needs; see admin.h. */
#include "admin.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#include "base/banned.h"

static const enum cfg_program parts[] = { CFG_HOOKS, CFG_API, CFG_SWEEP };

/* Root's, and for the group of its program's user; or whoever's we are. */
static bool
give(int fd, enum cfg_program program, struct err *e)
{
	const struct group *g;

	if (geteuid() != 0)
		return true;
	if ((g = getgrnam(cfg_user(program))) == NULL)
		return err_set(e, ERR_CONFIG, "there is no group %s: make the "
		    "users first (systemd-sysusers)", cfg_user(program));
	return (fchown(fd, 0, g->gr_gid) == 0 && fchmod(fd, 0640) == 0) ||
	    err_sys(e, "give to group %s", cfg_user(program));
}

/* Whoever reads it meanwhile has the old one, or all of the new. */
static bool
write_part(struct mem *m, const char *path, enum cfg_program program,
    const struct buf *b, struct err *e)
{
	const char	*tmp = mem_printf(m, "%s.new", path);
	int		 fd;
	bool		 ok;

	(void)unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd < 0)
		return err_sys(e, "create %s", tmp);
	ok = give(fd, program, e) && ((write(fd, b->s, b->len) ==
	    (ssize_t)b->len && fsync(fd) == 0 && rename(tmp, path) == 0) ||
	    err_sys(e, "write %s", path));
	(void)close(fd);
	if (!ok)
		(void)unlink(tmp);
	return ok;
}

int
config_split(struct call *c)
{
	struct buf	*problems = buf_new(c->m, 65536);
	struct cfg	*cfg = NULL;
	const char	*dir;
	struct err	 e;

	/* All of them will do, or none is written. */
	if (cfg_load(&cfg, c->m, c->file, CFG_ADMIN, problems) &&
	    cfg->file == NULL)
		buf_str(problems, "there is no file of settings\n");
	for (size_t i = 0; problems->len == 0 && i < 3; i++) {
		struct cfg *checked;

		if (!cfg_load(&checked, c->m, cfg->file, parts[i], problems))
			break;
	}
	if (problems->len != 0) {
		(void)fprintf(stderr, "ringback-admin: the configuration has "
		    "errors; nothing was written:\n%s", problems->s);
		return CFG_EXIT;
	}
	dir = dirname(mem_dup(c->m, cfg->file));
	for (size_t i = 0; i < 3; i++) {
		const char	*path = mem_printf(c->m, "%s/%s", dir,
				    cfg_file_name(parts[i]));
		struct buf	*b = buf_new(c->m, 1024 * 1024);

		buf_str(b, "# Made of .env by ringback-admin config --split; "
		    "change that one.\n");
		if (!cfg_part(c->m, cfg->file, parts[i], b, problems))
			(void)err_set(&e, ERR_CONFIG, "%s", problems->s);
		else if (write_part(c->m, path, parts[i], b, &e))
			continue;
		return admin_failed(&e);
	}
	return 0;
}
