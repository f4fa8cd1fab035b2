/* SPDX-License-Identifier: ISC */
/* route: dispatch by table. */
#include "app.h"

#include <string.h>

#include "domain/account.h"

#include "base/banned.h"

enum auth { TWILIO, NONE };
enum body { BODY_NONE, BODY_FORM };

static const struct route {
	enum cfg_program  pool;
	const char	 *method, *path;
	enum auth	  auth;
	enum body	  body;
	size_t		  kb;
	bool		(*handler)(struct app *, struct request *,
			    struct http_response *, struct err *);
} routes[] = {
#define ROUTE(pool, method, path, auth, body, kb, handler, doc) \
	{ CFG_##pool, #method, path, auth, BODY_##body, kb, handler },
#include "routes.def"
#undef ROUTE
};
#define ROUTES	(sizeof(routes) / sizeof(routes[0]))

/* The row for this method and path, or the path it is an older name of. What the path does answer is put into an
 * Allow header when the method is the trouble. */
static const struct route *
find(const struct app *app, const struct http_request *q,
    struct http_response *r, struct err *e)
{
	const char *allow = NULL, *path = event_route(q->path);

	if (path == NULL)
		path = q->path;
	for (size_t i = 0; i < ROUTES; i++) {
		if (routes[i].pool != app->pool ||
		    strcmp(routes[i].path, path) != 0)
			continue;
		if (strcmp(routes[i].method, q->method) == 0)
			return &routes[i];
		allow = routes[i].method;
	}
	if (allow == NULL) {
		err_set(e, ERR_NOT_FOUND, "there is nothing at this path");
	} else {
		http_header(r, "Allow", allow);
		err_set(e, ERR_METHOD, "this path answers %s only", allow);
	}
	return NULL;
}

static bool
read_body(const struct route *row, struct request *q, struct err *e)
{
	if (row->body == BODY_NONE)
		return true;
	if (strcmp(q->http.type, "application/x-www-form-urlencoded") != 0)
		return err_set(e, ERR_TYPE,
		    "send application/x-www-form-urlencoded");
	return http_read_body(&q->http, q->m, row->kb * 1024, e) &&
	    form_parse(&q->form, q->m, q->http.body, q->http.body_bytes, e);
}

static bool
authenticate(struct app *app, const struct route *row, struct request *q,
    struct err *e)
{
	if (row->auth == NONE)
		return true;
	return account_check(app->cfg, q->m, q->http.uri, q->form,
	    q->http.signature, &q->verified, e);
}

bool
route_serve(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	const struct route *row = find(app, &q->http, r, e);

	return row != NULL && read_body(row, q, e) &&
	    authenticate(app, row, q, e) && row->handler(app, q, r, e);
}
