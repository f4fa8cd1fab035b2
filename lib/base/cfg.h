/* SPDX-License-Identifier: ISC */
/* cfg: the settings of cfg.def, read from one file and the environment (which
 * wins). Read once at start; the struct never changes after. There is one
 * .env, and cut from it a file for each program, without others' secrets.
 *
 * The file is as env.h has it. A name that is not in cfg.def is an error, so
 * that a typing mistake is not a silent default; so is a file that others on
 * the machine can read. */
#ifndef BASE_CFG_H
#define BASE_CFG_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/mem.h"

#define CFG_EXIT	78	/* EX_CONFIG, sysexits.h */

enum cfg_program {
	CFG_HOOKS = 1, CFG_API = 2, CFG_SWEEP = 4, CFG_ADMIN = 8,
	CFG_EVERY = CFG_HOOKS | CFG_API | CFG_SWEEP
};

enum { CFG_ENFORCE, CFG_OBSERVE };		/* validate */
enum { CFG_PRODUCTION, CFG_DEVELOPMENT };	/* environment */

struct cfg {
#define TEXT	const char *
#define URL	const char *
#define NUMBER	long
#define CHOICE	long
#define CFG(type, field, env, needed, flags, fallback, shape, doc) type field;
#include "base/cfg.def"
#undef CFG
#undef TEXT
#undef URL
#undef NUMBER
#undef CHOICE
	const char	*file;		/* the .env read, NULL when none */
};

/* What its user, group and database role are called: ringback-hooks, …;
 * "ringback" is the administrator. */
const char	*cfg_user(enum cfg_program);
/* hooks.env, …; .env is the administrator's. */
const char	*cfg_file_name(enum cfg_program);

/* Reads file (NULL: $RINGBACK_CONFIG, else the program's installed one if it
 * is there). False: nothing may start; problems then holds every complaint, one
 * a line, without any secret. */
MUST_CHECK bool	 cfg_load(struct cfg **, struct mem *, const char *file,
		     enum cfg_program, struct buf *problems);

/* True when url's host is this machine: 127.0.0.0/8, ::1 or localhost. */
bool		 cfg_is_loopback(const char *url);

/* NAME=value for every setting in force, secrets as "(set)". */
void		 cfg_print(const struct cfg *, struct buf *);
/* Of a .env that has been loaded, the lines for a program: no secret of
 * another's, and its own DATABASE_URL_… as DATABASE_URL. */
MUST_CHECK bool	 cfg_part(struct mem *, const char *file, enum cfg_program,
		     struct buf *out, struct buf *problems);
/* A commented .env with every setting at its default. */
void		 cfg_sample(struct buf *);

#endif
