/* SPDX-License-Identifier: ISC */
/* malloc: preloaded into a program, lets one of its allocations fail, to see
 * what becomes of what the program was at.
 *
 *	REFUSE_SINCE	accept: counted from each connection that is taken,
 *			anew; connect: from the first that is made
 *	REFUSE_SPARE	so many connections taken are let be first
 *	REFUSE		which is refused: the first, the second …
 *	REFUSE_STEP	by how many that goes up with each connection taken
 *	REFUSE_BUT	a module whose allocations do not count
 *	REFUSE_LOG	file that gets a line for each: "refused N MODULE", or,
 *			if the program crashes (of whatever), "crashed SIGNAL
 *			MODULE"
 *
 * MODULE is the program or library that asked or crashed, for what a library
 * makes of no memory is not for us to mend. A bad address in libc is its
 * caller's; to find the heap in disorder, which ends in abort(), is the fault
 * of whoever frees or asks just then. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The C library's own, under the names that nobody can stand in front of. */
void	*__libc_malloc(size_t);
void	*__libc_calloc(size_t, size_t);
void	*__libc_realloc(void *, size_t);
void	*__libc_memalign(size_t, size_t);
void	 __libc_free(void *);

static bool	since_accept, since_connect, counting;
static long	spare, at, step, count;
static const char *but;
static const void *heap_for;	/* who has the heap at work, or NULL */
static int	log_fd = -1;

static long
number(const char *name)
{
	const char *s = getenv(name);

	return s == NULL ? 0 : strtol(s, NULL, 10);
}

static const char *
module(const void *address)
{
	Dl_info		 info;
	const char	*slash;

	if (dladdr(address, &info) == 0 || info.dli_fname == NULL)
		return "?";
	slash = strrchr(info.dli_fname, '/');
	return slash == NULL ? info.dli_fname : slash + 1;
}

/* Nothing here may allocate. */
static void
say(const char *what, long n, const char *name)
{
	char	 line[256];
	int	 k = snprintf(line, sizeof(line), "%s %ld %s\n", what, n, name);

	if (k > 0 && write(log_fd, line, (size_t)k) < 0)
		_exit(99);
}

static void
on_crash(int sig)
{
	void		*frames[32];
	int		 n = backtrace(frames, 32);
	const char	*name = "?";

	/* From the third on: this function, the signal's frame, who did it. */
	for (int i = 2; i < n; i++) {
		name = module(frames[i]);
		if (strncmp(name, "libc.so", 7) != 0)
			break;
	}
	if (heap_for != NULL)
		name = module(heap_for);
	if (heap_for != NULL || sig != SIGABRT)
		say("crashed", sig, name);
	(void)raise(sig);	/* SA_RESETHAND: now it ends us */
}

__attribute__((constructor)) static void
begin(void)
{
	static const int	 crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
					     SIGABRT };
	struct sigaction	 sa = { .sa_handler = on_crash,
				     .sa_flags = SA_RESETHAND | SA_NODEFER };
	const char		*since = getenv("REFUSE_SINCE");
	const char		*log = getenv("REFUSE_LOG");
	void			*warm[1];

	if (log == NULL)
		return;
	log_fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	(void)backtrace(warm, 1);	/* loads what it needs */
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		(void)sigaction(crashes[i], &sa, NULL);
	if (since == NULL)
		return;
	since_accept = strcmp(since, "accept") == 0;
	since_connect = strcmp(since, "connect") == 0;
	at = number("REFUSE");
	step = number("REFUSE_STEP");
	spare = number("REFUSE_SPARE");
	but = getenv("REFUSE_BUT");
	if (but != NULL && *but == '\0')
		but = NULL;
}

static bool
refused(const void *caller)
{
	if (!counting || (but != NULL && strcmp(module(caller), but) == 0) ||
	    ++count != at)
		return false;
	say("refused", at, module(caller));
	errno = ENOMEM;
	return true;
}

int
accept4(int fd, struct sockaddr *restrict to, socklen_t *restrict bytes,
    int flags)
{
	int s;

	counting = counting && !since_accept;
	s = (int)syscall(SYS_accept4, fd, to, bytes, flags);
	if (s >= 0 && since_accept && spare-- <= 0) {
		at += spare < -1 ? step : 0;
		count = 0;
		counting = true;
	}
	return s;
}

int
connect(int fd, const struct sockaddr *to, socklen_t bytes)
{
	counting = counting || since_connect;
	return (int)syscall(SYS_connect, fd, to, bytes);
}

#define CALLER	__builtin_return_address(0)

static void *
done(void *p)
{
	heap_for = NULL;
	return p;
}

void *
malloc(size_t n)
{
	if (refused(CALLER))
		return NULL;
	heap_for = CALLER;
	return done(__libc_malloc(n));
}

void *
calloc(size_t n, size_t bytes)
{
	if (refused(CALLER))
		return NULL;
	heap_for = CALLER;
	return done(__libc_calloc(n, bytes));
}

void *
realloc(void *p, size_t n)
{
	if (refused(CALLER))
		return NULL;
	heap_for = CALLER;
	return done(__libc_realloc(p, n));
}

void
free(void *p)
{
	heap_for = CALLER;
	__libc_free(p);
	heap_for = NULL;
}

int
posix_memalign(void **p, size_t boundary, size_t n)
{
	if (refused(CALLER))
		return ENOMEM;
	heap_for = CALLER;
	*p = done(__libc_memalign(boundary, n));
	return *p == NULL ? ENOMEM : 0;
}

void *
aligned_alloc(size_t boundary, size_t n)
{
	if (refused(CALLER))
		return NULL;
	heap_for = CALLER;
	return done(__libc_memalign(boundary, n));
}
