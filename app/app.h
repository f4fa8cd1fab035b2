/* SPDX-License-Identifier: ISC */
/* app: what a handler gets and gives. By the time a handler runs, its row in
 * routes.def has been enforced: method, size, media type, signature or key,
 * and for the JSON API every value of params.def. A handler decodes, does,
 * answers, and owns nothing: all of a request's memory goes when it is over. */
#ifndef APP_APP_H
#define APP_APP_H

#include <stdbool.h>

#include "base/cfg.h"
#include "base/err.h"
#include "base/mem.h"
#include "domain/key.h"
#include "domain/store.h"
#include "edge/http.h"
#include "format/form.h"
#include "format/twiml.h"

struct app {
	struct mem		*m;		/* as long as the program runs */
	const struct cfg	*cfg;
	struct store		*store;
	enum cfg_program	 pool;
	struct buf		*greeting;	/* voice_incoming's, once made */
};

struct input;

struct request {
	struct http_request	 http;
	struct mem		*m;
	struct form		*form;		/* body FORM */
	struct input		*input;		/* the JSON API: see input.h */
	struct key		 key;		/* auth READ, SEND */
	bool			 verified;	/* auth TWILIO: signature good */
	const char		*route;		/* for the log line, or NULL */
	const char		*path_value;	/* of {…} in the path */
	const char		*sid;		/* for the log line, or NULL */
	const char		*kept;		/* where the event went, ditto */
};

/* Finds the row, enforces it, runs the handler. A failure is in err; the
 * response is then not to be used. */
MUST_CHECK bool	 route_serve(struct app *, struct request *,
		     struct http_response *, struct err *);

/* Makes the webhook durable: in the database, or else in the spool. ERR_DOWN
 * when neither took it; nginx then keeps the request (voice and sms) or
 * Twilio sends it again. */
MUST_CHECK bool	 intake(struct app *, struct request *, struct err *);

/* {"success":false,…} with the status of the error's kind. */
void		 answer_error(struct request *, struct http_response *,
		     const struct err *);
/* The same body, for what is answered again later. */
const char	*answer_error_body(struct request *, const struct err *);
/* {"success":true,"name":json}. */
void		 answer_json(struct http_response *, int status,
		     const char *name, const char *json);

/* What an outbound call says, as TwiML; long texts as several <Say>. */
MUST_CHECK bool	 voice_message(struct buf *, struct mem *,
		     const struct twiml_voice *, const char *message,
		     struct err *);

#define ROUTE(pool, method, path, auth, body, kb, handler, answers, doc)      \
	bool handler(struct app *, struct request *, struct http_response *,  \
	    struct err *);
#include "routes.def"
#undef ROUTE

#endif
