/* SPDX-License-Identifier: ISC */
/* history: pages and single things, each for whom they belong to. */
#include "app.h"

#include <string.h>

#include "domain/archive.h"
#include "format/json.h"
#include "input.h"

#include "base/banned.h"

#define PAGE_ROWS	50

/* Whose things this request is about: the key's owner's; for an
 * administrator's key whoever is named, or NULL for everybody's. */
static bool
owner(const struct request *q, const char **user_id, struct err *e)
{
	const char *named = input_text(q, "userId");

	if (q->key.scopes & KEY_ADMIN) {
		*user_id = named;
		return true;
	}
	*user_id = q->key.user_id;
	if (*user_id == NULL)
		return err_set(e, ERR_FORBIDDEN, "this key has no user");
	return named == NULL || strcmp(named, *user_id) == 0 ||
	    err_field(e, ERR_FORBIDDEN, "foreign_user", "userId",
	    "this key sees what is %s's only", *user_id);
}

static bool
list(struct app *app, struct request *q, struct http_response *r,
    enum archive_kind kind, const char *name, struct err *e)
{
	struct archive_query	 a = {
		.number = input_text(q, "phoneNumber"),
		.since = input_text(q, "since"),
		.until = input_text(q, "until"),
		.status = input_text(q, "status"),
		.direction = input_text(q, "direction"),
		.words = input_text(q, "q"),
		.cursor = input_text(q, "cursor"),
		.limit = input_long(q, "limit", PAGE_ROWS),
	};
	struct buf		*link = buf_new(q->m, 16384);
	const char		*next;

	if (!owner(q, &a.user_id, e))
		return false;
	r->type = "application/json";
	buf_printf(r->body, "{\"success\":true,\"%s\":", name);
	if (!archive_page(app->store, q->m, kind, &a, r->body, &next, e))
		return false;
	if (next == NULL) {
		buf_str(r->body, ",\"next\":null}\n");
	} else {
		buf_printf(r->body, ",\"next\":\"%s\"}\n", next);
		input_link(q, next, link);
		http_header(r, "Link", mem_printf(q->m,
		    "<%s%s?%s>; rel=\"next\"", app->cfg->webhook_base,
		    q->http.path, link->s));
	}
	return buf_ok(r->body) || err_set(e, ERR_INPUT,
	    "the page is too large; ask for fewer rows with limit");
}

static bool
show(struct app *app, struct request *q, struct http_response *r,
    enum archive_kind kind, const char *name, const char *param,
    struct err *e)
{
	const char *json, *user_id;

	q->sid = input_text(q, param);
	if (!owner(q, &user_id, e) || !archive_show(app->store, q->m, kind,
	    q->sid, user_id, &json, e))
		return false;
	answer_json(r, 200, name, json);
	return true;
}

bool
call_list(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	return list(app, q, r, ARCHIVE_CALL, "calls", e);
}

bool
sms_list(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	return list(app, q, r, ARCHIVE_SMS, "messages", e);
}

bool
call_show(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	return show(app, q, r, ARCHIVE_CALL, "call", "CallSid", e);
}

bool
sms_show(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	return show(app, q, r, ARCHIVE_SMS, "message", "MessageSid", e);
}

bool
recording_show(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	return show(app, q, r, ARCHIVE_RECORDING, "recording", "RecordingSid",
	    e);
}

bool
transcription_show(struct app *app, struct request *q,
    struct http_response *r, struct err *e)
{
	return show(app, q, r, ARCHIVE_TRANSCRIPTION, "transcription", "id",
	    e);
}
