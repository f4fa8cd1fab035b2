/* SPDX-License-Identifier: ISC */
/* status: callbacks that need no words. */
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
