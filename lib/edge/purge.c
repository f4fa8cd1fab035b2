/* SPDX-License-Identifier: ISC */
/* purge: whole files in memory, one after the other. */
#include "edge/purge.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "edge/spool.h"

#include "base/banned.h"

#define MAX_FILE	(2 * 1024 * 1024)	/* larger: none of ours */

bool
purge_mentions(const char *p, size_t n, const char *digits)
{
	const size_t	 k = strlen(digits);
	const char	*end = p + n, *at;

	for (at = p; (at = memmem(at, (size_t)(end - at), digits, k)) != NULL;
	    at++) {
		bool plus = (at > p && at[-1] == '+') || (at - p >= 3 &&
		    strncasecmp(at - 3, "%2B", 3) == 0);

		if (plus && (at + k == end || !isdigit((unsigned char)at[k])))
			return true;
	}
	return false;
}

static bool
is_about(struct mem *m, const char *path, const char *digits, long older_s)
{
	struct stat	 st;
	struct err	 e;
	char		*bytes;
	size_t		 n;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_mtime <= time(NULL) - older_s &&
	    spool_read_file(m, path, MAX_FILE, &bytes, &n, &e) &&
	    purge_mentions(bytes, n, digits);
}

bool
purge_files(const char *path, const char *prefix, const char *digits,
    long older_s, bool act, size_t *count, struct err *e)
{
	DIR		*dir = opendir(path);
	struct dirent	*d;
	bool		 ok = true;

	if (dir == NULL)
		return errno == ENOENT || err_sys(e, "open %s", path);
	while (ok && (d = readdir(dir)) != NULL) {
		struct mem	*own = mem_new();
		const char	*file = mem_printf(own, "%s/%s", path,
				    d->d_name);

		if (text_starts(d->d_name, prefix) && is_about(own, file, digits, older_s)) {
			ok = !act || unlink(file) == 0 || errno == ENOENT ||
			    err_sys(e, "remove %s", file);
			*count += ok;
		}
		mem_free(own);
	}
	(void)closedir(dir);
	return ok;
}
