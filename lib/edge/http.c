/* SPDX-License-Identifier: ISC */
/* http: reads FastCGI parameters, writes CGI responses. */
#include "edge/http.h"

#include <string.h>

#include "base/text.h"

#include "base/banned.h"

static const struct {
	int	status;
	char	reason[24];
} reasons[] = {
	{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" },
	{ 204, "No Content" }, { 400, "Bad Request" },
	{ 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 409, "Conflict" },
	{ 413, "Content Too Large" }, { 415, "Unsupported Media Type" },
	{ 422, "Unprocessable Content" }, { 429, "Too Many Requests" },
	{ 500, "Internal Server Error" }, { 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
};

static const char *
reason_of(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Error";
}

static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* "Application/X; charset=…" -> "application/x" */
static const char *
media_type(struct mem *m, const char *header)
{
	char *type = mem_dup(m, header), *p;

	for (p = type; *p != '\0' && *p != ';'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	while (p > type && p[-1] == ' ')
		p--;
	*p = '\0';
	return type;
}

enum param { ID, METHOD, URI, REMOTE, TYPE, LENGTH, SIGNATURE, AUTHORIZATION,
    IDEMPOTENCY_KEY, TYPE_AGAIN, PARAMS };

static const struct {
	const char	*name;
	size_t		 bytes;
} params[PARAMS] = {
#define PARAM(name)	{ name, sizeof(name) - 1 }
	[ID] = PARAM("REQUEST_ID"),
	[METHOD] = PARAM("REQUEST_METHOD"),
	[URI] = PARAM("REQUEST_URI"),
	[REMOTE] = PARAM("REMOTE_ADDR"),
	[TYPE] = PARAM("CONTENT_TYPE"),
	[LENGTH] = PARAM("CONTENT_LENGTH"),
	[SIGNATURE] = PARAM("HTTP_X_TWILIO_SIGNATURE"),
	[AUTHORIZATION] = PARAM("HTTP_AUTHORIZATION"),
	[IDEMPOTENCY_KEY] = PARAM("HTTP_IDEMPOTENCY_KEY"),
	/* CONTENT_TYPE is the first of several. */
	[TYPE_AGAIN] = PARAM("HTTP_CONTENT_TYPE"),
#undef PARAM
};

static enum param
param_of(const char *name, size_t bytes)
{
	enum param i = 0;

	while (i < PARAMS && (params[i].bytes != bytes ||
	    memcmp(params[i].name, name, bytes) != 0))
		i++;
	return i;
}

/* All that we want to know, and what is wrong with it. Twice would be twice
 * what decides something: nginx 1.22 passes both of two, and FCGX_GetParam()
 * would silently take the first (FAULTS M17). */
static bool
read_params(FCGX_Request *fcgi, const char *values[PARAMS], struct err *e)
{
	const char	*equals;
	enum param	 i;
	size_t		 n, headers = 0;

	for (char **p = fcgi->envp; *p != NULL; p++) {
		if ((equals = strchr(*p, '=')) == NULL)
			continue;
		n = (size_t)(equals - *p);
		headers += n >= 5 && memcmp(*p, "HTTP_", 5) == 0;
		if ((i = param_of(*p, n)) == PARAMS)
			continue;
		if (values[i] != NULL)
			err_set(e, ERR_INPUT, "%s was sent twice",
			    params[i].name);
		else if (has_control(equals + 1))
			err_set(e, ERR_INPUT, "%s has a control character",
			    params[i].name);
		else
			values[i] = equals + 1;
	}
	if (headers > HTTP_MAX_HEADERS)
		err_set(e, ERR_INPUT, "these are more than %d headers",
		    HTTP_MAX_HEADERS);
	return e->kind == ERR_NONE;
}

static const char *
or_else(const char *value, const char *fallback)
{
	return value != NULL ? value : fallback;
}

bool
http_open(struct http_request *q, struct mem *m, FCGX_Request *fcgi,
    struct err *e)
{
	const char	*values[PARAMS] = { NULL }, *query;
	bool		 ok;

	err_clear(e);
	ok = read_params(fcgi, values, e);
	*q = (struct http_request){
		.id = or_else(values[ID], "-"),
		.method = or_else(values[METHOD], ""),
		.uri = or_else(values[URI], ""),
		.remote = or_else(values[REMOTE], "-"),
		.signature = values[SIGNATURE],
		.authorization = values[AUTHORIZATION],
		.idempotency_key = values[IDEMPOTENCY_KEY],
		.body = "",
		.body_promised = -1,
		.fcgi = fcgi,
	};
	query = strchr(q->uri, '?');
	q->path = query == NULL ? q->uri :
	    mem_dup_n(m, q->uri, (size_t)(query - q->uri));
	q->query = query == NULL ? "" : query + 1;
	q->type = media_type(m, or_else(values[TYPE], ""));
	if (!ok || or_else(values[LENGTH], "")[0] == '\0')
		return ok;
	return text_to_long(values[LENGTH], 0, 1L << 40, &q->body_promised) ||
	    err_set(e, ERR_INPUT, "Content-Length is not a number");
}

bool
http_read_body(struct http_request *q, struct mem *m, size_t cap,
    struct err *e)
{
	char	*body;
	int	 got;
	size_t	 want, n = 0;

	if (q->body_promised < 0)
		return true;
	want = (size_t)q->body_promised;
	if (want > cap)
		return err_set(e, ERR_TOO_LARGE,
		    "the body is larger than %zu bytes", cap);
	body = mem_get(m, want + 1);
	while (n < want && (got = FCGX_GetStr(body + n, (int)(want - n),
	    q->fcgi->in)) > 0)
		n += (size_t)got;
	if (n != want)
		return err_set(e, ERR_INPUT,
		    "the body ended after %zu of %zu bytes", n, want);
	q->body = body;
	q->body_bytes = n;
	return true;
}

void
http_response_init(struct http_response *r, struct mem *m)
{
	memset(r, 0, sizeof(*r));
	r->status = 200;
	r->body = buf_new(m, HTTP_MAX_RESPONSE);
	r->headers = buf_new(m, 8192);
}

void
http_header(struct http_response *r, const char *name, const char *value)
{
	if (strpbrk(value, "\r\n") == NULL)
		buf_printf(r->headers, "%s: %s\r\n", name, value);
}

/* Piece by piece into libfcgi's buffer: printf() would be the larger part of
 * answering. */
void
http_send(const struct http_request *q, const struct http_response *r)
{
	FCGX_Stream	*out = q->fcgi->out;
	char		 number[TEXT_DECIMAL_BYTES];

	(void)FCGX_PutS("Status: ", out);
	(void)FCGX_PutS(text_decimal(number, (unsigned)r->status), out);
	(void)FCGX_PutS(" ", out);
	(void)FCGX_PutS(reason_of(r->status), out);
	if (r->type != NULL) {
		(void)FCGX_PutS("\r\nContent-Type: ", out);
		(void)FCGX_PutS(r->type, out);
		(void)FCGX_PutS("\r\nContent-Length: ", out);
		(void)FCGX_PutS(text_decimal(number, r->body->len), out);
	}
	(void)FCGX_PutS("\r\nCache-Control: no-store\r\n", out);
	(void)FCGX_PutStr(r->headers->s, (int)r->headers->len, out);
	(void)FCGX_PutStr("\r\n", 2, out);
	if (r->type != NULL && r->body->len != 0)
		(void)FCGX_PutStr(r->body->s, (int)r->body->len, out);
}

/* libfcgi lingers on a connection that it closes until the other side has
 * closed it, too, lest unread input turn the close into a reset. When all
 * input has been read there is nothing to linger for (PERFORMANCE: +14 %), and
 * only then does the next request begin where this one ends. */
void
http_close(const struct http_request *q)
{
	bool read_all = q->body_promised <= (long)q->body_bytes &&
	    FCGX_GetChar(q->fcgi->in) == -1;

	if (!read_all)
		q->fcgi->keepConnection = 0;
	else if (!q->fcgi->keepConnection)
		FCGX_Detach(q->fcgi);
	FCGX_Finish_r(q->fcgi);
}
