/* SPDX-License-Identifier: ISC */
/* remains: of somebody who is to be erased, on this machine's disk. */
#include "erase.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/purge.h"
#include "edge/spool.h"
#include "replay.h"

#include "base/banned.h"

#define PATIENCE	10	/* seconds, for a sweep to be done with the
				   spool and nginx with its files */
#define UNFINISHED_S	3600	/* whoever began such a file is dead */

bool
erase_find_spool(struct erase *x, struct err *e)
{
	struct stat st;

	x->spool = stat(x->c->cfg->spool_dir, &st) == 0;
	if (!x->spool)
		return errno == ENOENT || err_sys(e, "spool: %s",
		    x->c->cfg->spool_dir);
	return access(x->c->cfg->spool_dir, R_OK | W_OK | X_OK) == 0 ||
	    err_set(e, ERR_INPUT, "%s is not for this user: run this as root",
	    x->c->cfg->spool_dir);
}

bool
erase_count_waiting(struct erase *x, size_t *count, struct err *e)
{
	const char	*spool = x->c->cfg->spool_dir;
	const char	*fallback = x->c->cfg->fallback_dir;
	struct mem	*m = mem_new();
	char		**names, *bytes;
	size_t		 n;
	bool		 ok = spool_list(m, spool, &names, e);

	*count = 0;
	/* What cannot be read has been taken in, or is set aside. */
	for (; ok && *names != NULL; names++)
		*count += spool_read(m, spool, *names, &bytes, &n, e) &&
		    purge_mentions(bytes, n, x->digits);
	ok = ok && spool_names(m, fallback, &names, e);
	for (; ok && *names != NULL; names++)
		*count += spool_read_file(m, mem_printf(m, "%s/%s", fallback,
		    *names), 1 << 20, &bytes, &n, e) &&
		    purge_mentions(bytes, n, x->digits);
	mem_free(m);
	return ok;
}

bool
erase_take_in(struct erase *x, struct err *e)
{
	struct replay	r;
	size_t		waiting;

	for (int i = 0;; i++) {
		r = (struct replay){ .cfg = x->c->cfg, .store = x->c->store };
		if (!replay_waiting(&r, e) || !erase_count_waiting(x, &waiting, e))
			return false;
		x->waited += r.stored + r.refused;
		if (r.lock >= 0 && waiting == 0)
			return true;
		if (i == PATIENCE)
			break;
		(void)sleep(1);
	}
	if (waiting != 0)
		erase_left(x, "webhooks that wait on this machine: they could not "
		    "be taken in");
	else
		erase_left(x, "webhooks that wait on this machine: a sweep has "
		    "them in hand");
	return true;
}

bool
erase_purge(struct erase *x, struct err *e)
{
	static const struct {
		const char	*sub, *prefix;
		long		 older_s;
	} places[] = { { "tmp", "", UNFINISHED_S }, { "bad", "", 0 } };
	const bool act = !x->c->dry_run;

	for (size_t i = 0; i < 2; i++)
		if (!purge_files(mem_printf(x->m, "%s/%s", x->c->cfg->spool_dir,
		    places[i].sub), places[i].prefix, x->digits,
		    places[i].older_s, act, &x->files, e))
			return false;
	return purge_files(x->c->cfg->fallback_dir, ".bad-", x->digits, 0, act,
	    &x->files, e) && (!act || spool_blank(x->m, x->c->cfg->spool_dir,
	    e));
}
