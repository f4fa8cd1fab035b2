/* SPDX-License-Identifier: ISC */
/* sandbox: a list of system calls, by what they are for. Lists of others'
 * (systemd's @system-service) let through ten times as much. */
#include "edge/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "edge/pq.h"

#include "base/banned.h"

#define LIST(...)	(const int[]){ __VA_ARGS__, LAST }
#define CALL(name)	SCMP_SYS(name)
#define LAST		(-100000)	/* __NR_SCMP_… count down from -1 */

bool
sandbox_user(enum cfg_program program, struct err *e)
{
	const char		*name = cfg_user(program);
	const struct passwd	*pw;
	uid_t			 r, s, t;

	if (geteuid() != 0)
		return true;
	errno = 0;
	if ((pw = getpwnam(name)) == NULL || pw->pw_uid == 0)
		return err_set(e, ERR_CONFIG, "started as root, and there is "
		    "no user %s to go on as", name);
	if (initgroups(name, pw->pw_gid) != 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0)
		return err_sys(e, "go on as user %s", name);
	if (getresuid(&r, &s, &t) != 0 || r != pw->pw_uid || s != r ||
	    t != r || setuid(0) == 0)
		return err_set(e, ERR_SYSTEM, "still root");
	return true;
}

/* Memory, time, signals to itself, what is open already. */
static const int everyday[] = {
	CALL(read), CALL(readv), CALL(pread64), CALL(write), CALL(writev),
	CALL(lseek), CALL(close), CALL(fcntl), CALL(dup), CALL(flock),
	CALL(fstat), CALL(stat), CALL(lstat), CALL(newfstatat), CALL(statx),
	CALL(access), CALL(faccessat), CALL(faccessat2), CALL(getdents64),
	CALL(readlink), CALL(readlinkat), CALL(getcwd), CALL(umask),
	CALL(poll), CALL(ppoll), CALL(select), CALL(pselect6),
	CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), CALL(membarrier),
	CALL(futex), CALL(set_robust_list), CALL(rseq), CALL(sched_yield),
	CALL(sched_getaffinity), CALL(rt_sigaction), CALL(rt_sigprocmask),
	CALL(rt_sigreturn), CALL(sigaltstack), CALL(restart_syscall),
	CALL(clock_gettime), CALL(clock_getres), CALL(gettimeofday),
	CALL(time), CALL(nanosleep), CALL(clock_nanosleep),
	CALL(getpid), CALL(gettid), CALL(getuid), CALL(geteuid), CALL(getgid),
	CALL(getegid), CALL(getrandom), CALL(uname), CALL(sysinfo),
	CALL(getrlimit), CALL(exit), CALL(exit_group), LAST,
};

/* Whatever the socket leads to. */
static const int sockets[] = {
	CALL(accept), CALL(accept4), CALL(connect), CALL(getsockopt),
	CALL(setsockopt), CALL(getsockname), CALL(getpeername), CALL(sendto),
	CALL(recvfrom), CALL(sendmsg), CALL(recvmsg), CALL(shutdown),
	CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_wait),
	CALL(epoll_pwait), CALL(signalfd4), CALL(setitimer), LAST,
};

/* The spool: a webhook's file is made, moved and removed. */
static const int files[] = {
	CALL(open), CALL(openat), CALL(mkdir), CALL(mkdirat), CALL(rename),
	CALL(renameat), CALL(renameat2), CALL(unlink), CALL(unlinkat),
	CALL(fsync), CALL(fdatasync), CALL(ftruncate), CALL(fallocate),
	CALL(pwrite64), LAST,
};

/* curl: names are looked up in a thread, and wake it up through a pipe. */
static const int asking[] = {
	CALL(bind), CALL(socketpair), CALL(pipe2), CALL(eventfd2),
	CALL(sendmmsg), CALL(recvmmsg), LAST,
};

static bool
allow(scmp_filter_ctx f, const int *calls)
{
	bool ok = true;

	for (; ok && *calls != LAST; calls++)
		ok = seccomp_rule_add(f, SCMP_ACT_ALLOW, *calls, 0) == 0;
	return ok;
}

/* argument & mask == value */
static bool
allow_if(scmp_filter_ctx f, int call, unsigned argument, unsigned long mask,
    unsigned long value)
{
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 1,
	    SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value)) == 0;
}

#define ALL	(~0ul)

/* What may be both written and run never is; nothing that was written is run
 * later. Signals are for nobody else, limits are only looked at. */
static bool
allow_some(scmp_filter_ctx f)
{
	return allow_if(f, CALL(mmap), 2, PROT_EXEC, 0) &&
	    allow_if(f, CALL(mmap), 2, PROT_EXEC | PROT_WRITE, PROT_EXEC) &&
	    allow_if(f, CALL(mprotect), 2, PROT_EXEC, 0) &&
	    allow_if(f, CALL(tgkill), 0, ALL, (unsigned long)getpid()) &&
	    allow_if(f, CALL(prlimit64), 2, ALL, 0) &&
	    allow_if(f, CALL(ioctl), 1, ALL, FIONREAD) &&
	    allow_if(f, CALL(ioctl), 1, ALL, TCGETS) &&
	    allow_if(f, CALL(socket), 0, ALL, AF_UNIX) &&
	    allow(f, everyday) && allow(f, sockets);
}

/* glibc asks for a netlink socket to find out which families there are. */
static bool
allow_network(scmp_filter_ctx f)
{
	return allow_if(f, CALL(socket), 0, ALL, AF_INET) &&
	    allow_if(f, CALL(socket), 0, ALL, AF_INET6) &&
	    allow_if(f, CALL(socket), 0, ALL, AF_NETLINK) &&
	    allow(f, asking);
}

/* A filter cannot see into clone3; without it glibc takes clone. */
static bool
allow_threads(scmp_filter_ctx f)
{
	return allow_if(f, CALL(clone), 0, CLONE_THREAD, CLONE_THREAD) &&
	    seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0) == 0;
}

static bool
allow_reading(scmp_filter_ctx f)
{
	const unsigned long writing = O_ACCMODE | O_CREAT | O_TRUNC;

	return allow_if(f, CALL(open), 1, writing, O_RDONLY) &&
	    allow_if(f, CALL(openat), 2, writing, O_RDONLY);
}

static bool
filter(const struct cfg *cfg, enum cfg_program program)
{
	scmp_filter_ctx	f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int		why = 0;
	bool		ok;

	if (f == NULL)
		return false;
	/* Not always: each thread asks for clone3. */
	if (cfg->log_level == LEVEL_DEBUG)
		(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_LOG, 1);
	ok = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0 &&
	    allow_some(f);
	if (ok && program == CFG_API)
		ok = allow_reading(f);
	else if (ok)
		ok = allow(f, files);
	if (ok && program != CFG_HOOKS)
		ok = allow_threads(f);
	if (ok && (program != CFG_HOOKS || !pq_is_local(cfg->database_url)))
		ok = allow_network(f);
	errno = EINVAL;
	if (ok && (why = seccomp_load(f)) != 0)
		errno = -why;
	seccomp_release(f);
	return ok && why == 0;
}

/* Sanitizers and gcov look into the process, fork and write when it ends (see
 * configure); valgrind maps memory to write and run, and has calls of its own.
 * Who can set this variable need not wait for us to be lax. */
static bool
is_watched(void)
{
#ifdef SANDBOX_OPEN
	return true;
#else
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded != NULL && strstr(preloaded, "/vgpreload_") != NULL;
#endif
}

void
sandbox_enter(const struct cfg *cfg, enum cfg_program program)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		log_warn("sandbox: new rights are not ruled out", "why=%s",
		    log_quote(strerror(errno)));
	if (is_watched())
		return;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		log_warn("sandbox: others can look in", "why=%s",
		    log_quote(strerror(errno)));
	if (!filter(cfg, program))
		log_warn("sandbox: no filter of system calls", "why=%s",
		    log_quote(strerror(errno)));
}
