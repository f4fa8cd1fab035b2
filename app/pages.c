/* SPDX-License-Identifier: ISC */
/* pages: whatever is wrong with an answer is told as one of our errors. */
#include "pages.h"

#include <string.h>

#include "base/text.h"
#include "domain/look.h"
#include "domain/twilio.h"
#include "verdict.h"

#include "base/banned.h"

bool
pages_get(const struct cfg *cfg, struct mem *m, const struct account *a,
    const char *resource, const char *party, const char *number,
    const char *page, size_t most, cJSON **root, const char **next,
    bool *reached, struct err *e)
{
	struct fetch_request	q;
	struct fetch_answer	answer;
	const char		*text;

	if (!twilio_page(cfg, m, a, resource, party, number, page, most, &q,
	    e))
		return false;
	fetch_one(m, &q, &answer);
	if (answer.status != 200) {
		(void)err_set(e, verdict_about_account(&answer) ? ERR_AUTH :
		    answer.status == 403 ? ERR_FORBIDDEN :
		    answer.status == 400 || answer.status == 404 ?
		    ERR_NOT_FOUND : ERR_UPSTREAM, "Twilio's list of %s: %s",
		    resource, answer.status == 0 ? answer.error :
		    mem_printf(m, "HTTP %ld", answer.status));
		e->retry_after_s = answer.retry_after_s;
		return false;
	}
	*reached = true;
	/* What a stranger texted must not hide what else is on the list. */
	text = json_mended(m, answer.body->s, answer.body->len);
	if (!json_parse_trusted(root, m, text, strlen(text), e))
		return false;
	*next = json_text(*root, "next_page_uri");
	return true;
}

static void
add_own(cJSON *own, const char *number)
{
	if (number != NULL)
		json_add_bool(own, number, true);
}

static bool
points_here(const struct cfg *cfg, const char *url)
{
	return url != NULL && text_starts(url, cfg->webhook_base);
}

bool
pages_own_numbers(const struct cfg *cfg, struct store *store, struct mem *m,
    const struct account *a, cJSON *own, bool *reached, struct err *e)
{
	const char	**numbers, *page = NULL;
	const cJSON	 *item;
	cJSON		 *root;
	size_t		  count;

	if (!look_numbers(store, m, &numbers, &count, e))
		return false;
	for (size_t i = 0; i < count; i++)
		add_own(own, numbers[i]);
	add_own(own, cfg->phone_number);
	add_own(own, cfg->messaging_service_sid);
	do {
		/* A key that may not list numbers is no reason to stop. */
		if (!pages_get(cfg, m, a, "IncomingPhoneNumbers", NULL, NULL,
		    page, PAGES_LARGEST, &root, &page, reached, e))
			return e->kind == ERR_FORBIDDEN;
		cJSON_ArrayForEach(item, json_get(root,
		    "incoming_phone_numbers"))
			if (points_here(cfg, json_text(item, "voice_url")) ||
			    points_here(cfg, json_text(item, "sms_url")))
				add_own(own, json_text(item, "phone_number"));
	} while (page != NULL);
	return true;
}
