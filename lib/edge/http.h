/* SPDX-License-Identifier: ISC */
/* http: one request in from nginx over FastCGI, one response out.
 * Every string of a request lives until http_close() and has been checked: no
 * NUL, no control byte in what came from the request line. Bodies are raw
 * bytes until form or json has read them. */
#ifndef EDGE_HTTP_H
#define EDGE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include <fcgiapp.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#define HTTP_MAX_BODY		(64 * 1024)
#define HTTP_MAX_RESPONSE	(16 * 1024 * 1024)
#define HTTP_MAX_HEADERS	100

struct http_request {
	const char	*id;		/* nginx's $request_id, or "-" */
	const char	*method;
	const char	*uri;		/* as on the request line: what Twilio
					   signed */
	const char	*path;		/* uri up to '?', never decoded */
	const char	*query;		/* behind '?', "" when none */
	const char	*remote;	/* client's address */
	const char	*type;		/* media type, lower case, no parameters;
					   "" when none */
	const char	*signature;	/* X-Twilio-Signature or NULL */
	const char	*authorization;	/* or NULL */
	const char	*idempotency_key;	/* or NULL */
	const char	*body;
	size_t		 body_bytes;
	long		 body_promised;	/* Content-Length, -1 when none */
	FCGX_Request	*fcgi;
};

struct http_response {
	int		 status;
	const char	*type;		/* NULL: no body */
	struct buf	*body;
	struct buf	*headers;	/* complete lines, "Allow: POST\r\n" */
};

/* Everything but the body. Fails with ERR_INPUT for what nginx should never
 * have let through (a header that matters twice, control bytes), and for more
 * headers than anybody needs, which nginx cannot count. */
MUST_CHECK bool	 http_open(struct http_request *, struct mem *,
		     FCGX_Request *, struct err *);

/* The body, at most cap bytes of it; ERR_TOO_LARGE beyond. */
MUST_CHECK bool	 http_read_body(struct http_request *, struct mem *,
		     size_t cap, struct err *);

void		 http_response_init(struct http_response *, struct mem *);

/* One header line; a value with a CR or LF is dropped whole (T13). */
void		 http_header(struct http_response *, const char *name,
		     const char *value);

/* Whether it arrives nobody knows: by then everything is durable. */
void		 http_send(const struct http_request *,
		     const struct http_response *);

/* Sends what is not sent yet; ends the request, and its connection unless
 * nginx wants to keep it (fcgi.h). */
void		 http_close(const struct http_request *);

#endif
