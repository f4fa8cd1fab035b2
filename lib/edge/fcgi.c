/* SPDX-License-Identifier: ISC */
/* fcgi: epoll around libfcgi. */
#include "edge/fcgi.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"

#include "base/banned.h"

/* More than nginx keeps with one worker, most of the time; those beyond are
 * closed after one request, as all would be without FCGI_KEEP_CONN. */
#define MAX_KEPT	16

/* libfcgi waits for the rest of a request for ever, should its sender stop in
 * the middle (FAULTS T19). Nothing that a worker does takes half as long. */
#define TICK_S		5
#define STUCK_TICKS	5

/* A worker that has had nothing to do for so long writes its log. */
#define LOG_MS		10

/* Ticks since the request in hand began; IDLE when there is none. */
#define IDLE		(-1)
static volatile sig_atomic_t busy = IDLE;

static void
on_tick(int sig)
{
	static const char why[] = "worker stuck with a request; it ends\n";

	(void)sig;
	if (busy == IDLE || ++busy <= STUCK_TICKS)
		return;
	log_flush();
	if (write(STDERR_FILENO, why, sizeof(why) - 1) < 0)
		_exit(71);
	_exit(70);
}

struct connection {
	FCGX_Request	 request;	/* ipcFd < 0: free */
	bool		 watched;
};

struct fcgi {
	int			 epoll, listen, signals;
	bool			 stopping;
	struct connection	*current;	/* its request is in hand */
	struct connection	 connections[MAX_KEPT + 1];
};

static void
hang_up(struct connection *c)
{
	FCGX_Detach(&c->request);	/* nothing to linger for */
	FCGX_Free(&c->request, 1);
	c->watched = false;
}

static void
fcgi_release(void *arg)
{
	struct fcgi *f = arg;

	for (size_t i = 0; i <= MAX_KEPT; i++)
		if (f->connections[i].request.ipcFd >= 0)
			hang_up(&f->connections[i]);
	if (f->signals >= 0)
		(void)close(f->signals);
	if (f->epoll >= 0)
		(void)close(f->epoll);
}

static bool
watch(struct fcgi *f, int fd, uint32_t events, void *what)
{
	struct epoll_event ev = { .events = events, .data.ptr = what };

	return epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
}

bool
fcgi_open(struct fcgi **out, struct mem *m, int listen_fd, struct err *e)
{
	struct sigaction	 tick = { .sa_handler = on_tick,
				    .sa_flags = SA_RESTART };
	struct itimerval	 every = { { TICK_S, 0 }, { TICK_S, 0 } };
	struct fcgi		*f = mem_get(m, sizeof(*f));
	sigset_t		 stop;

	*out = f;
	f->listen = listen_fd;
	f->epoll = f->signals = -1;
	if (FCGX_Init() != 0)
		return err_set(e, ERR_SYSTEM, "libfcgi cannot start");
	for (size_t i = 0; i <= MAX_KEPT; i++)
		(void)FCGX_InitRequest(&f->connections[i].request, -1,
		    FCGI_FAIL_ACCEPT_ON_INTR);
	mem_defer(m, fcgi_release, f);
	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &stop, NULL);
	f->signals = signalfd(-1, &stop, SFD_CLOEXEC);
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	/* Exclusive: one connection wakes one worker. */
	if (f->signals < 0 || f->epoll < 0 ||
	    sigaction(SIGALRM, &tick, NULL) != 0 ||
	    setitimer(ITIMER_REAL, &every, NULL) != 0 ||
	    fcntl(listen_fd, F_SETFL, O_NONBLOCK) != 0 ||
	    !watch(f, listen_fd, EPOLLIN | EPOLLEXCLUSIVE, &f->listen) ||
	    !watch(f, f->signals, EPOLLIN, &f->signals))
		return err_sys(e, "cannot listen on descriptor %d", listen_fd);
	return true;
}

/* After its request a connection is watched for the next, or gone. */
static void
put_back(struct fcgi *f, struct connection *c)
{
	if (c->request.ipcFd < 0) {
		c->watched = false;
	} else if (!c->watched) {
		c->watched = c != &f->connections[MAX_KEPT] &&
		    watch(f, c->request.ipcFd, EPOLLIN | EPOLLRDHUP, c);
		if (!c->watched)
			hang_up(c);
	}
}

/* The last is always free: put_back() does not keep it. */
static struct connection *
unused(struct fcgi *f)
{
	struct connection *c = f->connections;

	while (c->request.ipcFd >= 0)
		c++;
	return c;
}

/* Not libfcgi's accept: behind it libfcgi polls the connection, and closes it
 * when a tick interrupts that before nginx has sent its first byte. False
 * without an error: another worker was faster, or nginx has gone away. */
static bool
accept_new(struct fcgi *f, struct connection *c, struct err *e)
{
	c->request.ipcFd = accept4(f->listen, NULL, NULL, SOCK_CLOEXEC);
	if (c->request.ipcFd >= 0) {
		c->request.keepConnection = 1;	/* or libfcgi closes it */
		return true;
	}
	if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
		err_sys(e, "accept");
	return false;
}

/* nginx hangs up on what it keeps no longer, but also behind a request whose
 * client has gone: that one is still to be heard. */
static bool
is_over(const struct connection *c)
{
	char byte;

	return recv(c->request.ipcFd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* False, and most of the time no error: there was no request behind it. */
static bool
take(struct fcgi *f, const struct epoll_event *ev, struct err *e)
{
	bool			 kept = ev->data.ptr != &f->listen;
	struct connection	*c = kept ? ev->data.ptr : unused(f);

	if (kept && (ev->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 &&
	    is_over(c)) {
		hang_up(c);
		return false;
	}
	if (!kept && !accept_new(f, c, e))
		return false;
	busy = 0;
	if (FCGX_Accept_r(&c->request) == 0) {
		if (f->stopping)
			c->request.keepConnection = 0;	/* or it never ends */
		f->current = c;
		return true;
	}
	busy = IDLE;
	c->watched = false;
	return false;
}

FCGX_Request *
fcgi_next(struct fcgi *f, struct err *e)
{
	struct connection	*c = f->current;
	struct epoll_event	 ev;
	int			 n, wait_ms = LOG_MS;

	err_clear(e);
	f->current = NULL;
	busy = IDLE;
	if (c != NULL)
		put_back(f, c);
	for (;;) {
		n = epoll_wait(f->epoll, &ev, 1, f->stopping ? 0 : wait_ms);
		if (n < 0 && errno != EINTR) {
			err_sys(e, "wait for a request");
			return NULL;
		}
		if (n == 0) {
			log_flush();
			if (f->stopping)
				return NULL;
			wait_ms = -1;
			continue;
		}
		if (n < 0)
			continue;
		if (ev.data.ptr == &f->signals) {
			/* What has been sent to us is done; the others take
			 * what comes now. */
			f->stopping = true;
			(void)epoll_ctl(f->epoll, EPOLL_CTL_DEL, f->signals,
			    NULL);
			(void)epoll_ctl(f->epoll, EPOLL_CTL_DEL, f->listen,
			    NULL);
			continue;
		}
		if (take(f, &ev, e))
			return &f->current->request;
		if (e->kind != ERR_NONE)
			return NULL;
	}
}
