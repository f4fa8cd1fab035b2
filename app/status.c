/* SPDX-License-Identifier: ISC */
/* status: callbacks that need no words, and the one question anybody may
 * ask. */
#include "app.h"

#include "base/banned.h"

bool
status_changed(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	r->status = 204;
	return intake(app, q, e);
}

bool
recording_changed(struct app *app, struct request *q,
    struct http_response *r, struct err *e)
{
	return status_changed(app, q, r, e);
}

bool
health_alive(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	(void)app, (void)q, (void)e;
	r->type = "application/json";
	buf_str(r->body, "{\"success\":true,\"status\":\"alive\"}\n");
	return true;
}
