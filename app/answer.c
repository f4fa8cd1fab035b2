/* SPDX-License-Identifier: ISC */
/* answer: the envelope that clients know: {"success":…}. */
#include "app.h"

#include <string.h>

#include "base/text.h"
#include "format/json.h"

#include "base/banned.h"

const char *
answer_error_body(struct request *q, const struct err *e)
{
	cJSON *o = json_object(q->m);

	json_add_bool(o, "success", false);
	json_add_text(o, "error", e->kind == ERR_SYSTEM ||
	    e->kind == ERR_CONFIG ?
	    "something failed here; the log has it under this requestId" :
	    e->kind == ERR_DOWN && e->code[0] == '\0' ?
	    "a part of this service is away; try again soon" :
	    text_to_utf8(q->m, e->text, strlen(e->text)));
	json_add_text(o, "code", err_code(e));
	if (e->field[0] != '\0')
		json_add_text(o, "field", text_to_utf8(q->m, e->field,
		    strlen(e->field)));	/* it may be cut in a character */
	json_add_text(o, "requestId", q->http.id == NULL ? "-" : q->http.id);
	return json_print(q->m, o);
}

void
answer_error(struct request *q, struct http_response *r, const struct err *e)
{
	buf_reset(r->body);
	r->status = err_http(e->kind);
	r->type = "application/json";
	buf_printf(r->body, "%s\n", answer_error_body(q, e));
	if (e->retry_after_s > 0)
		http_header(r, "Retry-After", mem_printf(q->m, "%ld",
		    e->retry_after_s));
}

void
answer_json(struct http_response *r, int status, const char *name,
    const char *json)
{
	r->status = status;
	r->type = "application/json";
	buf_printf(r->body, "{\"success\":true,\"%s\":%s}\n", name, json);
}
