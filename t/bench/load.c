/* SPDX-License-Identifier: ISC */
/* load: signed webhooks, each of them new, over kept TLS connections to this
 * machine; prints how many were answered well, how fast, and after how long.
 *
 *	load [-c CLIENTS] [-r RATE] [-n REQUESTS] [-s SECONDS] [-l FILE]
 *	    -p PORT -u PATH -k TOKEN -e TEXT FORM
 *
 * FORM has a line NAME=VALUE for each parameter, sorted; @ in a value stands
 * for the 32 hex digits that make each request another. TEXT is in each right
 * answer. With -r so many are sent a second, however long the answers take,
 * and the time of each counts from when it should have been sent: a server
 * that stalls does not make the clients stop asking. FILE gets every time.
 *
 * wrk sends as fast as it is answered and no other way, and hears every
 * status as success. Three system calls a request, and what TLS takes. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "webhook.h"

#define MAX_ANSWER	65536
#define MAX_CLIENTS	1024
#define PATIENCE_S	20.0

struct client {
	SSL	*ssl;
	int	 fd;
	bool	 busy, writing;	/* what it waits for */
	double	 since;
	size_t	 sent, len, got;
	char	 wire[WEBHOOK_MAX], answer[MAX_ANSWER + 1];
};

static const char	*expected;
static int		 port;
static SSL_CTX		*tls;
static struct client	 clients[MAX_CLIENTS];
static int		 client_count = 32, epoll_fd;
static long		 good, bad, issued, most = 100000000;
static double		*times;		/* of each answer, ms */
static size_t		 times_room;

static void
die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- a client ------------------------------------------------------------ */

static void
watch(struct client *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (epoll_ctl(epoll_fd, op, c->fd, &ev) != 0)
		die("epoll_ctl");
}

static void
open_client(struct client *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port) };
	int one = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) !=
	    0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->writing = false;
	c->ssl = SSL_new(tls);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_connect_state(c->ssl);
	watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void
close_client(struct client *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	c->ssl = NULL;
}

static void
finished(struct client *c, bool ok)
{
	size_t i = (size_t)(good + bad);

	if (i == times_room) {
		times_room = times_room == 0 ? 65536 : times_room * 2;
		times = realloc(times, times_room * sizeof(*times));
		if (times == NULL)
			die("memory");
	}
	times[i] = (now() - c->since) * 1000;
	if (ok)
		good++;
	else
		bad++;
	c->busy = false;
}

/* Is all of the answer there? Its end, or 0. */
static size_t
answer_ends(struct client *c)
{
	char	*head, *length;

	c->answer[c->got] = '\0';
	if ((head = strstr(c->answer, "\r\n\r\n")) == NULL)
		return 0;
	if ((length = strcasestr(c->answer, "\r\nContent-Length:")) == NULL ||
	    length > head)
		return (size_t)(head + 4 - c->answer);
	return (size_t)(head + 4 - c->answer) +
	    (size_t)strtoul(length + 17, NULL, 10);
}

/* Goes on with whatever the client is at, as far as that goes now. */
static void
go_on(struct client *c)
{
	int	n, why;
	size_t	end;

	while (c->busy) {
		if (c->sent < c->len) {
			n = SSL_write(c->ssl, c->wire + c->sent,
			    (int)(c->len - c->sent));
			if (n > 0) {
				c->sent += (size_t)n;
				if (c->sent < c->len || c->writing)
					continue;
				return;		/* no answer is that fast */
			}
		} else {
			n = SSL_read(c->ssl, c->answer + c->got,
			    (int)(MAX_ANSWER - c->got));
			if (n > 0) {
				c->got += (size_t)n;
				end = answer_ends(c);
				if (end == 0 || c->got < end)
					continue;
				finished(c, strncmp(c->answer, "HTTP/1.1 2",
				    10) == 0 && strstr(c->answer, expected) !=
				    NULL);
				if (strcasestr(c->answer,
				    "\r\nConnection: close") != NULL)
					close_client(c);
				return;
			}
		}
		why = SSL_get_error(c->ssl, n);
		if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
			if (c->writing != (why == SSL_ERROR_WANT_WRITE)) {
				c->writing = !c->writing;
				watch(c, EPOLL_CTL_MOD, c->writing ?
				    EPOLLIN | EPOLLOUT : EPOLLIN);
			}
			return;
		}
		finished(c, false);
		close_client(c);
	}
}

/* Has the server closed it while nothing was asked? */
static void
look(struct client *c)
{
	int n;

	if (c->ssl != NULL && (n = SSL_read(c->ssl, c->answer, 1)) <= 0 &&
	    SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
		close_client(c);
}

static void
ask(struct client *c, double since)
{
	if (c->ssl == NULL)
		open_client(c);
	c->len = webhook_make(c->wire, issued++);
	c->sent = c->got = 0;
	c->busy = true;
	c->since = since;
	go_on(c);
}

/* --- all of them --------------------------------------------------------- */

static struct client *
idle_client(void)
{
	static int turn;

	for (int i = 0; i < client_count; i++) {
		struct client *c = &clients[(turn + i) % client_count];

		if (!c->busy) {
			turn = (turn + i + 1) % client_count;
			return c;
		}
	}
	return NULL;
}

static bool
any_busy(void)
{
	for (int i = 0; i < client_count; i++)
		if (clients[i].busy)
			return true;
	return false;
}

static void
wait_for_answers(double seconds)
{
	struct epoll_event	events[64];
	struct timespec		limit;
	int			n;

	if (seconds < 0)
		seconds = 0;
	limit.tv_sec = (time_t)seconds;
	limit.tv_nsec = (long)((seconds - (double)limit.tv_sec) * 1e9);
	n = epoll_pwait2(epoll_fd, events, 64, &limit, NULL);
	for (int i = 0; i < n; i++)
		if (((struct client *)events[i].data.ptr)->busy)
			go_on(events[i].data.ptr);
		else
			look(events[i].data.ptr);
}

static double
run(double seconds, double rate)
{
	const double	 begin = now(), end = begin + seconds;
	struct client	*c;
	double		 t, due;

	for (;;) {
		t = now();
		if (t >= end || issued >= most)
			break;
		due = rate > 0 ? begin + (double)issued / rate : t;
		if (due <= t && (c = idle_client()) != NULL)
			ask(c, due);
		else
			wait_for_answers(due > t ? due - t : end - t);
	}
	while (any_busy() && now() < end + PATIENCE_S)
		wait_for_answers(1);
	for (int i = 0; i < client_count; i++)
		if (clients[i].busy)
			finished(&clients[i], false);
	return now() - begin;
}

static int
by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double
percentile(double p)
{
	size_t n = (size_t)(good + bad), i = (size_t)((double)n * p / 100);

	return n == 0 ? 0 : times[i < n ? i : n - 1];
}

static void
report(double seconds, const char *file)
{
	struct rusage	 u;
	size_t		 n = (size_t)(good + bad);
	FILE		*fp;

	qsort(times, n, sizeof(*times), by_size);
	getrusage(RUSAGE_SELF, &u);
	printf("good=%ld bad=%ld seconds=%.3f rate=%.1f p50=%.3f p90=%.3f "
	    "p99=%.3f max=%.3f cpu=%.3f\n", good, bad, seconds,
	    (double)good / seconds, percentile(50), percentile(90),
	    percentile(99), percentile(100),
	    (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
	if (file == NULL)
		return;
	if ((fp = fopen(file, "w")) == NULL)
		die(file);
	for (int i = 0; i <= 1000; i++)
		fprintf(fp, "%.1f\t%.3f\n", i / 10.0, percentile(i / 10.0));
	fclose(fp);
}

int
main(int argc, char **argv)
{
	const char	*times_file = NULL, *path = NULL, *token = NULL;
	double		 rate = 0, seconds = 5, took;
	int		 o;

	while ((o = getopt(argc, argv, "c:e:k:l:n:p:r:s:u:")) != -1) {
		switch (o) {
		case 'c':	client_count = atoi(optarg); break;
		case 'e':	expected = optarg; break;
		case 'k':	token = optarg; break;
		case 'l':	times_file = optarg; break;
		case 'n':	most = atol(optarg); break;
		case 'p':	port = atoi(optarg); break;
		case 'r':	rate = atof(optarg); break;
		case 's':	seconds = atof(optarg); break;
		case 'u':	path = optarg; break;
		default:	return 64;
		}
	}
	if (optind + 1 != argc || path == NULL || token == NULL ||
	    expected == NULL || port == 0 || client_count < 1 ||
	    client_count > MAX_CLIENTS)
		return 64;
	signal(SIGPIPE, SIG_IGN);
	webhook_prepare(port, path, token, argv[optind]);
	tls = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_read_ahead(tls, 1);		/* a record in one read() */
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < client_count; i++) {
		open_client(&clients[i]);
		/* All are connected before the clock starts. */
		fcntl(clients[i].fd, F_SETFL, 0);
		if (SSL_connect(clients[i].ssl) != 1)
			die("TLS");
		fcntl(clients[i].fd, F_SETFL, O_NONBLOCK);
	}
	took = run(seconds, rate);
	report(took, times_file);
	return bad == 0 ? 0 : 1;
}
