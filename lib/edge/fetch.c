/* SPDX-License-Identifier: ISC */
/* fetch: libcurl with everything that follows, remembers or trusts turned
 * off. */
#include "edge/fetch.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/cfg.h"
#include "base/text.h"
#include "edge/address.h"
#include "edge/url.h"

#include "base/banned.h"

#define MAX_REDIRECTS	3
#define UPLOAD_BYTES	16384L		/* at a time, of each in flight */
#define DOWNLOAD_BYTES	8192L

struct fetch {
	CURLM		*multi;
	size_t		 running;
};

/* One request on its way. */
struct flight {
	struct fetch		 *set;
	struct mem		 *m;
	struct fetch_request	  q;
	struct fetch_answer	  a;
	CURL			 *easy;
	curl_mime		 *mime;
	struct curl_slist	 *headers;
	int			  redirects;
	bool			  public_only;
	char			  error[CURL_ERROR_SIZE];
	void			(*done)(void *, const struct fetch_answer *);
	void			 *arg;
};

static void
fetch_release(void *arg)
{
	struct fetch *f = arg;

	if (f->multi == NULL)
		return;
	(void)curl_multi_cleanup(f->multi);
	curl_global_cleanup();
}

struct fetch *
fetch_new(struct mem *m)
{
	struct fetch *f = mem_get(m, sizeof(*f));

	mem_defer(m, fetch_release, f);
	return f;
}

/* Most passes of the sweep ask nobody for anything, and need neither libcurl
 * nor OpenSSL. */
static CURLM *
multi_of(struct fetch *f)
{
	if (f->multi == NULL && (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 ||
	    (f->multi = curl_multi_init()) == NULL))
		abort();
	return f->multi;
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct flight *t = arg;

	buf_add(t->a.body, p, size * n);
	t->a.too_large = !buf_ok(t->a.body);
	return t->a.too_large ? 0 : size * n;
}

/* Called with the resolved address, so a name that changes its mind between
 * two look-ups gains nothing. */
static curl_socket_t
on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct flight *t = arg;

	(void)purpose;
	if (t->public_only && address_is_private(&to->addr)) {
		t->a.refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static void
add_header(struct flight *t, const char *name, const char *value)
{
	struct curl_slist *l;

	l = curl_slist_append(t->headers, mem_printf(t->m, "%s: %s", name,
	    value));
	if (l == NULL)
		abort();
	t->headers = l;
}

/* A file part is read from two places, head then bytes. */
struct part_reader {
	const struct fetch_part	*part;
	size_t			 at;
};

static size_t
on_part_read(char *out, size_t size, size_t n, void *arg)
{
	struct part_reader	*r = arg;
	const struct fetch_part	*p = r->part;
	size_t			 room = size * n, k, total = 0;

	if (r->at < p->file_head_bytes) {
		k = p->file_head_bytes - r->at;
		k = k < room ? k : room;
		memcpy(out, (const char *)p->file_head + r->at, k);
		r->at += k;
		total += k;
	}
	if (r->at >= p->file_head_bytes && total < room) {
		size_t done = r->at - p->file_head_bytes;

		k = p->file_bytes - done;
		k = k < room - total ? k : room - total;
		memcpy(out + total, (const char *)p->file + done, k);
		r->at += k;
		total += k;
	}
	return total;
}

static int
on_part_seek(void *arg, curl_off_t offset, int origin)
{
	struct part_reader *r = arg;

	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	r->at = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static void
add_parts(struct flight *t)
{
	struct part_reader	*reader;
	curl_mimepart		*part;

	if ((t->mime = curl_mime_init(t->easy)) == NULL)
		abort();
	for (const struct fetch_part *p = t->q.parts; p->name != NULL; p++) {
		if ((part = curl_mime_addpart(t->mime)) == NULL)
			abort();
		(void)curl_mime_name(part, p->name);
		if (p->text != NULL) {
			(void)curl_mime_data(part, p->text,
			    CURL_ZERO_TERMINATED);
			continue;
		}
		reader = mem_get(t->m, sizeof(*reader));
		reader->part = p;
		(void)curl_mime_data_cb(part, (curl_off_t)(p->file_bytes +
		    p->file_head_bytes), on_part_read, on_part_seek, NULL,
		    reader);
		(void)curl_mime_filename(part, p->filename);
		(void)curl_mime_type(part, p->type);
	}
	(void)curl_easy_setopt(t->easy, CURLOPT_MIMEPOST, t->mime);
}

#define SET(option, value) \
	(void)curl_easy_setopt(t->easy, CURLOPT_##option, value)

static void
set_safety(struct flight *t)
{
	SET(PROTOCOLS_STR, cfg_is_loopback(t->q.url) ? "http,https" : "https");
	SET(FOLLOWLOCATION, 0L);
	SET(PROXY, "");
	SET(NETRC, (long)CURL_NETRC_IGNORED);
	/* Whatever openssl.cnf would allow. */
	SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(SSL_VERIFYPEER, 1L);
	SET(SSL_VERIFYHOST, 2L);
	/* libcurl reads the file of all authorities once for all requests
	 * (20 ms, 1 MB); with the directory of the same besides, for each. */
	SET(CAPATH, NULL);
	SET(FORBID_REUSE, 1L);
	SET(NOSIGNAL, 1L);
	SET(UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
	SET(BUFFERSIZE, DOWNLOAD_BYTES);
	SET(OPENSOCKETFUNCTION, on_socket);
	SET(OPENSOCKETDATA, t);
	SET(CONNECTTIMEOUT_MS, t->q.connect_ms);
	SET(TIMEOUT_MS, t->q.total_ms);
	SET(LOW_SPEED_LIMIT, t->q.slow_s == 0 ? 0L : 1000L);
	SET(LOW_SPEED_TIME, t->q.slow_s);
	/* Else a name server that does not answer is waited for in the end,
	 * by everybody. */
	SET(QUICK_EXIT, 1L);
}

static void
launch(struct flight *t)
{
	if ((t->easy = curl_easy_init()) == NULL)
		abort();
	SET(URL, t->q.url);
	SET(PRIVATE, t);
	SET(ERRORBUFFER, t->error);
	SET(USERAGENT, "ringback/" VERSION);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, t);
	set_safety(t);
	if (t->q.user != NULL) {
		SET(HTTPAUTH, (long)CURLAUTH_BASIC);
		SET(USERNAME, t->q.user);
		SET(PASSWORD, t->q.password);
	}
	if (t->q.bearer != NULL)
		add_header(t, "Authorization",
		    mem_printf(t->m, "Bearer %s", t->q.bearer));
	if (t->q.parts != NULL) {
		add_parts(t);
	} else if (t->q.body != NULL) {
		add_header(t, "Content-Type", t->q.type);
		SET(POSTFIELDS, t->q.body);
	} else if (strcmp(t->q.method, "GET") != 0) {
		SET(CUSTOMREQUEST, t->q.method);
	}
	add_header(t, "Expect", "");
	SET(HTTPHEADER, t->headers);
	if (curl_multi_add_handle(multi_of(t->set), t->easy) != CURLM_OK)
		abort();
	t->set->running++;
}

static void
land(struct flight *t)
{
	(void)curl_multi_remove_handle(t->set->multi, t->easy);
	curl_easy_cleanup(t->easy);
	curl_mime_free(t->mime);
	curl_slist_free_all(t->headers);
	t->easy = NULL;
	t->mime = NULL;
	t->headers = NULL;
	t->set->running--;
}

static void
flight_release(void *arg)
{
	struct flight *t = arg;

	if (t->easy != NULL)
		land(t);
}

void
fetch_start(struct fetch *f, struct mem *m, const struct fetch_request *q,
    void (*done)(void *, const struct fetch_answer *), void *arg)
{
	struct flight *t = mem_get(m, sizeof(*t));

	t->set = f;
	t->m = m;
	t->q = *q;
	t->done = done;
	t->arg = arg;
	t->a.body = buf_new(m, q->cap_bytes);
	mem_defer(m, flight_release, t);
	launch(t);
}

/* Everything after the first hop goes without credentials, and off this
 * machine only to public addresses. */
static bool
redirect(struct flight *t, const char *to)
{
	if (!t->q.follow || t->redirects++ >= MAX_REDIRECTS)
		return false;
	t->public_only = t->public_only || !cfg_is_loopback(t->q.url);
	if (to == NULL || !url_may_lead(to, t->public_only)) {
		t->a.refused = true;
		return false;
	}
	t->q.url = to;
	t->q.user = t->q.password = t->q.bearer = NULL;
	buf_reset(t->a.body);
	return true;
}

/* Seconds, or a date: what is over is now. */
static long
seconds_until(const char *value, time_t now)
{
	long	v;
	time_t	when;

	if (text_to_long(value, -1, 1L << 40, &v))
		return v < 0 ? 0 : v;
	if ((when = curl_getdate(value, NULL)) == (time_t)-1)
		return -1;
	return when < now ? 0 : (long)(when - now);
}

static long
retry_after(struct flight *t)
{
	struct curl_header	*h;

	return curl_easy_header(t->easy, "Retry-After", 0, CURLH_HEADER, -1,
	    &h) != CURLHE_OK ? -1 : seconds_until(h->value, time(NULL));
}

/* Whoever refuses a key may repeat it, and messages go to logs. */
static void
mask(struct buf *body, const char *secret)
{
	const size_t n = secret == NULL ? 0 : strlen(secret);

	for (char *p = body->s; n != 0 && (p = strstr(p, secret)) != NULL;
	    p += n)
		memset(p, '*', n);
}

static void
answer(struct flight *t, CURLcode code)
{
	char		*type = NULL, *location = NULL;
	curl_off_t	 sent = 0;
	bool		 again;

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE,
	    &t->a.status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
	(void)curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL,
	    &location);
	(void)curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
	t->a.sent = sent > 0;
	t->a.type = mem_dup(t->m, type == NULL ? "" : type);
	t->a.retry_after_s = retry_after(t);
	/* Of several addresses another may have done. */
	t->a.refused = t->a.refused && code != CURLE_OK;
	if (code != CURLE_OK) {
		t->a.status = 0;
		(void)snprintf(t->a.error, sizeof(t->a.error), "%s",
		    t->error[0] != '\0' ? t->error :
		    curl_easy_strerror(code));
	}
	if (t->a.status >= 400) {
		mask(t->a.body, t->q.bearer);
		mask(t->a.body, t->q.password);
	}
	again = code == CURLE_OK && t->a.status >= 300 &&
	    t->a.status < 400 &&
	    redirect(t, url_without_user(t->m, location));
	land(t);
	if (again)
		launch(t);
	else
		t->done(t->arg, &t->a);
}

size_t
fetch_wait(struct fetch *f, int also, short events, long timeout_ms)
{
	struct pollfd		 p = { .fd = also, .events = events };
	struct curl_waitfd	 other = { also, events, 0 };	/* the same */
	CURLMsg			*msg;
	char			*t;
	int			 n;

	if (f->multi == NULL) {		/* nothing was ever asked for */
		(void)poll(&p, 1, (int)timeout_ms);
		return 0;
	}
	(void)curl_multi_perform(f->multi, &n);
	while ((msg = curl_multi_info_read(f->multi, &n)) != NULL) {
		CURLcode code = msg->data.result;

		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
		    &t);
		answer((struct flight *)(void *)t, code);
		timeout_ms = 0;		/* something happened */
	}
	if (timeout_ms != 0)
		(void)curl_multi_poll(f->multi, &other, also >= 0,
		    (int)timeout_ms, NULL);
	return f->running;
}

static struct fetch alone;	/* keeps what it has read of authorities */

static void
keep(void *arg, const struct fetch_answer *a)
{
	*(struct fetch_answer *)arg = *a;
}

void
fetch_one(struct mem *m, const struct fetch_request *q,
    struct fetch_answer *a)
{
	fetch_start(&alone, m, q, keep, a);
	while (fetch_wait(&alone, -1, 0, 1000) != 0)
		;
}

void
fetch_encode(struct buf *b, const char *name, const char *value)
{
	char *n = curl_easy_escape(NULL, name, 0);
	char *v = curl_easy_escape(NULL, value, 0);

	if (n == NULL || v == NULL)
		abort();
	buf_printf(b, "%s%s=%s", b->len == 0 ? "" : "&", n, v);
	curl_free(n);
	curl_free(v);
}
