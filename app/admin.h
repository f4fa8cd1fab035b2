/* SPDX-License-Identifier: ISC */
/* admin: what a command of ringback-admin gets: the options, all of them. It
 * returns the program's exit status. */
#ifndef APP_ADMIN_H
#define APP_ADMIN_H

#include <stdbool.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/store.h"

#define EXIT_FAILED	1
#define EXIT_USAGE	64	/* sysexits.h */
#define EXIT_LATER	75

struct call {
	struct mem		*m;
	const struct cfg	*cfg;
	struct store		*store;
	const char		*file, *name, *user, *scopes, *sid, *check;
	const char		*number, *verdict;
	long			 days, overlap_hours, limit;
	long			 since_s;	/* Unix time, 0 not given */
	bool			 sample, split, dry_run, yes;
	char			**args;
	int			 count;
};

int	 admin_failed(const struct err *);	/* says why */

/* split.c */
int	 config_split(struct call *);

/* upkeep.c */
int	 retry_command(struct call *);
int	 journal_list_command(struct call *);
int	 journal_show_command(struct call *);
int	 replay_command(struct call *);
int	 replay_since_command(struct call *);
int	 reconcile_command(struct call *);

/* erase.c */
int	 erase_command(struct call *);

#endif
