/* SPDX-License-Identifier: ISC */
/* sandbox_probe: what a program in its sandbox may do, one line for each:
 * "NAME ok" or "NAME EPERM"; for t/security-privilege.t.
 *	sandbox_probe hooks|api|sweep DATABASE_URL DIR */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cfg.h"
#include "base/log.h"
#include "edge/sandbox.h"

static void
tell(const char *name, long result)
{
	const int why = errno;

	printf("%s %s\n", name, result != -1 ? "ok" : why == EPERM ? "EPERM" :
	    strerrorname_np(why));
	(void)fflush(stdout);
}

static void
try_socket(const char *name, int family, int type)
{
	int fd = socket(family, type, 0);

	tell(name, fd);
	if (fd >= 0)
		(void)close(fd);
}

static void
try_open(const char *name, const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	tell(name, fd);
	if (fd >= 0)
		(void)close(fd);
}

static void
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	tell("fork", pid);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
}

static void *
nothing(void *arg)
{
	return arg;
}

static void
try_thread(void)
{
	pthread_t t;

	errno = pthread_create(&t, NULL, nothing, NULL);
	tell("thread", errno == 0 ? 0 : -1);
	if (errno == 0)
		(void)pthread_join(t, NULL);
}

static void
try_memory(void)
{
	const size_t	 n = 4096;
	void		*p = mmap(NULL, n, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	tell("mmap", p == MAP_FAILED ? -1 : 0);
	tell("mprotect-exec", mprotect(p, n, PROT_READ | PROT_EXEC));
	tell("mmap-write-exec", mmap(NULL, n, PROT_READ | PROT_WRITE |
	    PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 :
	    0);
}

static void
try_calls(const char *dir)
{
	char			*none[] = { NULL };
	char			 path[512];
	const struct rlimit	 some = { 100, 100 };

	try_socket("unix", AF_UNIX, SOCK_STREAM);
	try_socket("inet", AF_INET, SOCK_STREAM);
	try_socket("inet-datagram", AF_INET, SOCK_DGRAM);
	try_socket("inet6", AF_INET6, SOCK_STREAM);
	try_socket("packet", AF_PACKET, SOCK_RAW);
	try_socket("vsock", AF_VSOCK, SOCK_STREAM);
	try_socket("alg", AF_ALG, SOCK_SEQPACKET);
	try_open("read", "/etc/hostname", O_RDONLY);
	(void)snprintf(path, sizeof(path), "%s/probe", dir);
	try_open("write", path, O_WRONLY | O_CREAT);
	tell("unlink", unlink(path));
	tell("listen", listen(0, 1));
	tell("kill", kill(getppid(), 0));
	tell("kill-itself", kill(getpid(), 0));
	tell("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	tell("chmod", chmod(dir, 0700));
	tell("chown", chown(dir, getuid(), getgid()));
	tell("symlink", symlink("x", path));
	tell("link", link("/etc/hostname", path));
	tell("setuid", setuid(getuid()));
	tell("setrlimit", setrlimit(RLIMIT_CORE, &some));
	tell("chroot", chroot(dir));
	tell("unshare", syscall(SYS_unshare, 0x10000000));
	tell("mount", syscall(SYS_mount, "x", dir, "tmpfs", 0, NULL));
	tell("bpf", syscall(SYS_bpf, 0, NULL, 0));
	tell("keyctl", syscall(SYS_keyctl, 0, 0, 0));
	tell("io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL));
	tell("userfaultfd", syscall(SYS_userfaultfd, 0));
	tell("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
	tell("process_vm_readv", syscall(SYS_process_vm_readv, getppid(), NULL,
	    0, NULL, 0, 0));
	tell("memfd_create", syscall(SYS_memfd_create, "x", 0));
	try_memory();
	try_thread();
	try_fork();
	tell("execve", execve("/nonexistent", none, none));
}

/* Names are looked up, by a thread of glibc's or curl's. */
static void
try_names(void)
{
	struct addrinfo	*found = NULL;
	int		 why = getaddrinfo("localhost", "80", NULL, &found);

	printf("getaddrinfo %s\n", why == 0 ? "ok" : gai_strerror(why));
	(void)fflush(stdout);
	if (why == 0)
		freeaddrinfo(found);
}

int
main(int argc, char **argv)
{
	struct cfg		 cfg = { 0 };
	enum cfg_program	 program;

	if (argc != 4)
		return 64;
	program = strcmp(argv[1], "hooks") == 0 ? CFG_HOOKS :
	    strcmp(argv[1], "api") == 0 ? CFG_API : CFG_SWEEP;
	cfg.database_url = argv[2];
	log_init("sandbox_probe", LEVEL_WARN);
	sandbox_enter(&cfg, program);
	try_calls(argv[3]);
	if (program != CFG_HOOKS)
		try_names();
	abort();
}
