/* SPDX-License-Identifier: ISC */
/* twilio: the verbs. Timeouts: FAULTS 5.7. */
#include "domain/twilio.h"

#include <string.h>

#include "base/text.h"
#include "format/phone.h"

#include "base/banned.h"

/* The account's own API key where there is one, so that the Auth Token needs
 * to be no more than the key of the webhooks' signatures. */
static void
authorize(const struct cfg *cfg, const struct account *a,
    struct fetch_request *q)
{
	bool key = cfg->api_key != NULL &&
	    strcmp(a->sid, cfg->account_sid) == 0;

	q->user = key ? cfg->api_key : a->sid;
	q->password = key ? cfg->api_secret : a->tokens[0];
}

static void
resource(const struct cfg *cfg, struct mem *m, const struct account *a,
    const char *method, const char *path, struct fetch_request *q)
{
	*q = (struct fetch_request){
		.method = method,
		.url = mem_printf(m, "%s/2010-04-01/Accounts/%s/%s",
		    cfg->twilio_base, a->sid, path),
		.connect_ms = 3000,
		.total_ms = 10000,
		.cap_bytes = 1024 * 1024,
	};
	authorize(cfg, a, q);
}

void
twilio_media(const struct cfg *cfg, struct mem *m, const struct account *a,
    const char *recording_sid, struct fetch_request *q)
{
	resource(cfg, m, a, "GET", mem_printf(m, "Recordings/%s.mp3",
	    recording_sid), q);
	q->total_ms = 120000;
	q->slow_s = 30;
	q->cap_bytes = TWILIO_MAX_MEDIA;
	q->follow = true;
}

void
twilio_delete_recording(const struct cfg *cfg, struct mem *m,
    const struct account *a, const char *recording_sid,
    struct fetch_request *q)
{
	resource(cfg, m, a, "DELETE", mem_printf(m, "Recordings/%s.json",
	    recording_sid), q);
}

void
twilio_get(const struct cfg *cfg, struct mem *m, const struct account *a,
    const char *thing, struct fetch_request *q)
{
	resource(cfg, m, a, "GET", mem_printf(m, "%s.json", thing), q);
}

void
twilio_delete_media(const struct cfg *cfg, struct mem *m,
    const struct account *a, const char *message_sid, const char *media_sid,
    struct fetch_request *q)
{
	resource(cfg, m, a, "DELETE", mem_printf(m, "Messages/%s/Media/%s"
	    ".json", message_sid, media_sid), q);
}

void
twilio_redact(const struct cfg *cfg, struct mem *m, const struct account *a,
    const char *message_sid, struct fetch_request *q)
{
	resource(cfg, m, a, "POST", mem_printf(m, "Messages/%s.json",
	    message_sid), q);
	q->type = "application/x-www-form-urlencoded";
	q->body = "Body=";
}

void
twilio_create(const struct cfg *cfg, struct mem *m, const struct account *a,
    const char *name, const char *form, struct fetch_request *q)
{
	resource(cfg, m, a, "POST", mem_printf(m, "%s.json", name), q);
	q->type = "application/x-www-form-urlencoded";
	q->body = form;
}

void
twilio_list(const struct cfg *cfg, struct mem *m, const struct account *a,
    const char *name, const char *from, const char *to,
    struct fetch_request *q)
{
	struct buf *query = buf_new(m, 4096);

	fetch_encode(query, "To", to);
	if (from != NULL && !phone_is_sid(from, "MG"))
		fetch_encode(query, "From", from);
	fetch_encode(query, "PageSize", "1000");
	resource(cfg, m, a, "GET", mem_printf(m, "%s.json?%s", name,
	    query->s), q);
	q->cap_bytes = 16 * 1024 * 1024;
}

bool
twilio_page(const struct cfg *cfg, struct mem *m, const struct account *a,
    const char *name, const char *party, const char *number, const char *page,
    size_t most, struct fetch_request *q, struct err *e)
{
	const char *list = mem_printf(m, "/2010-04-01/Accounts/%s/%s.json?",
	    a->sid, name);
	struct buf *query = buf_new(m, 4096);

	if (party != NULL)
		fetch_encode(query, party, number);
	fetch_encode(query, "PageSize", mem_printf(m, "%zu", most));
	resource(cfg, m, a, "GET", mem_printf(m, "%s.json?%s", name,
	    query->s), q);
	q->cap_bytes = 16 * 1024 * 1024;
	if (page == NULL)
		return true;
	if (!text_starts(page, list) || !text_matches(page + strlen(list),
	    "^[A-Za-z0-9%&=+._-]*$"))
		return err_set(e, ERR_INPUT, "not a page of %s", name);
	q->url = mem_printf(m, "%s%s", cfg->twilio_base, page);
	return true;
}
