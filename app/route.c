/* SPDX-License-Identifier: ISC */
/* route: dispatch by table. */
#include "route.h"

#include <string.h>

#include "base/clock.h"
#include "base/metric.h"
#include "base/text.h"
#include "domain/account.h"
#include "edge/guess.h"
#include "input.h"

#include "base/banned.h"

const struct route route_rows[] = {
#define ROUTE(pool, method, path, auth, body, kb, handler, answers, doc)      \
	{ CFG_##pool, #method, path, auth, BODY_##body, kb, #handler,	      \
	  handler, answers, doc },
#include "routes.def"
#undef ROUTE
};
const size_t route_count = sizeof(route_rows) / sizeof(route_rows[0]);

/* True when path fits the pattern, in which the last segment may be {…}. */
static bool
fits(const char *pattern, const char *path, const char **value)
{
	const char	*brace = strchr(pattern, '{');
	size_t		 n;

	*value = NULL;
	if (brace == NULL)
		return strcmp(pattern, path) == 0;
	n = (size_t)(brace - pattern);
	*value = path + n;
	return strncmp(pattern, path, n) == 0 && path[n] != '\0' &&
	    strchr(path + n, '/') == NULL;
}

/* The row for this method and path, or the path it is an older name of. What
 * the path does answer, of either pool, is put into an Allow header when the
 * method is the trouble. */
static const struct route *
find(const struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	const char *allow = NULL, *path = event_route(q->http.path);

	if (path == NULL)
		path = q->http.path;
	for (size_t i = 0; i < route_count; i++) {
		const struct route *row = &route_rows[i];

		if (!fits(row->path, path, &q->path_value))
			continue;
		q->route = row->path;
		if (row->pool == app->pool &&
		    strcmp(row->method, q->http.method) == 0)
			return row;
		allow = allow == NULL ? row->method :
		    mem_printf(q->m, "%s, %s", allow, row->method);
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
	static const char *const types[] = { [BODY_FORM] =
	    "application/x-www-form-urlencoded",
	    [BODY_JSON] = "application/json" };

	if (row->body == BODY_NONE)
		return true;
	if (strcmp(q->http.type, types[row->body]) != 0)
		return err_set(e, ERR_TYPE, "send %s", types[row->body]);
	return http_read_body(&q->http, q->m, row->kb * 1024, e);
}

/* Twilio proves itself by a signature over the form. */
static bool
admit_twilio(struct app *app, struct request *q, struct err *e)
{
	if (form_parse(&q->form, q->m, q->http.body, q->http.body_bytes, e) &&
	    account_check(app->cfg, q->m, q->http.uri, q->form,
	    q->http.signature, &q->verified, e))
		return true;
	if (e->kind == ERR_FORBIDDEN)
		metric_add(METRIC_BAD_SIGNATURE, 1);
	return false;
}

/* No key in force. Whoever goes on trying is asked to stop; who has the right
 * one is let in all the same, as others may share that address. */
static void
refuse_key(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	long wait_s;

	http_header(r, "WWW-Authenticate", "Bearer realm=\"ringback\"");
	if (q->http.authorization == NULL)
		return;
	metric_add(METRIC_BAD_KEY, 1);
	if (guess_count(q->http.remote, clock_ms(), app->cfg->wrong_keys,
	    &wait_s))
		return;
	err_set(e, ERR_LIMIT, "too many wrong keys came from this address; "
	    "wait a little");
	e->retry_after_s = wait_s;
}

/* Clients by a key with the scope that the route wants. */
static bool
admit_key(struct app *app, const struct route *row, struct request *q,
    struct http_response *r, struct err *e)
{
	static const struct {
		enum key_scope	 scope;
		const char	*word;
	} wants[] = { [READ] = { KEY_READ, "read" },
	    [SEND] = { KEY_SEND, "send" }, [WATCH] = { KEY_WATCH, "watch" } };

	if (row->auth == NONE || (row->auth == WATCH &&
	    (text_starts(q->http.remote, "127.") ||
	    strcmp(q->http.remote, "::1") == 0)))
		return true;
	if (!key_check(app->store, q->m, q->http.authorization, &q->key, e)) {
		if (e->kind == ERR_AUTH)
			refuse_key(app, q, r, e);
		return false;
	}
	return (q->key.scopes & (wants[row->auth].scope | KEY_ADMIN)) != 0 ||
	    err_field(e, ERR_FORBIDDEN, "missing_scope", "Authorization",
	    "this key may not do that; it lacks the scope %s",
	    wants[row->auth].word);
}

bool
route_serve(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	const struct route *row = find(app, q, r, e);

	if (row == NULL)
		return false;
	if (row->auth == TWILIO)
		return read_body(row, q, e) && admit_twilio(app, q, e) &&
		    row->handler(app, q, r, e);
	return admit_key(app, row, q, r, e) && read_body(row, q, e) &&
	    input_read(q, row->name, row->body == BODY_JSON, e) &&
	    row->handler(app, q, r, e);
}
