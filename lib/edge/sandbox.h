/* SPDX-License-Identifier: ISC */
/* sandbox: what a program gives up before it takes in a stranger's first byte,
 * whoever has started it. systemd's units say most of it, too; cron and
 * spawn-fcgi know nothing of it. */
#ifndef EDGE_SANDBOX_H
#define EDGE_SANDBOX_H

#include <stdbool.h>

#include "base/cfg.h"
#include "base/err.h"

/* Started as root, goes on as the program's own user, for good; and as nobody
 * else, ERR_CONFIG, where there is none. Any other user stays what it is. Call
 * it when the settings have been read, before a file is made. */
MUST_CHECK bool	 sandbox_user(enum cfg_program, struct err *);

/* No way back to more rights, nobody looks in, and of the system's
 * calls those that this program needs: hooks start no process or thread, and
 * know no network unless their database is across one; the API's workers write
 * no file. Any other call fails with EPERM: what nobody has thought of costs a
 * request, and not a worker. With LOG_LEVEL=debug the kernel's log names what
 * was refused. A kernel that cannot is warned of. Call it when all is open that
 * is opened once. */
void		 sandbox_enter(const struct cfg *, enum cfg_program);

#endif
