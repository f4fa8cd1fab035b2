/* SPDX-License-Identifier: ISC */
/* account: tokens by AccountSid, signatures over the configured URL. */
#include "domain/account.h"

#include <string.h>

#include "base/log.h"
#include "format/sign.h"

#include "base/banned.h"

bool
account_at(const struct cfg *cfg, struct mem *m, size_t index,
    struct account *a)
{
	const char	*p = cfg->subaccounts;
	char		*sid, *token, *next;

	if (index == 0) {
		*a = (struct account){ .sid = cfg->account_sid,
		    .tokens = { cfg->auth_token, cfg->auth_token_next } };
		return true;
	}
	/* "ACsid:token[:next],…", as cfg.def has made sure. */
	while (p != NULL && --index > 0)
		p = (p = strchr(p, ',')) == NULL ? NULL : p + 1;
	if (p == NULL)
		return false;
	sid = mem_dup_n(m, p, strcspn(p, ","));
	token = strchr(sid, ':');
	*token++ = '\0';
	if ((next = strchr(token, ':')) != NULL)
		*next++ = '\0';
	*a = (struct account){ .sid = sid, .tokens = { token, next } };
	return true;
}

bool
account_find(const struct cfg *cfg, struct mem *m, const char *sid,
    struct account *a)
{
	for (size_t i = 0; account_at(cfg, m, i, a); i++)
		if (strcmp(a->sid, sid) == 0)
			return true;
	return false;
}

/* By hand: it would be all that a webhook needs printf() for. */
static const char *
whole_url(const struct cfg *cfg, struct mem *m, const char *uri)
{
	const size_t	 base = strlen(cfg->webhook_base), n = strlen(uri);
	char		*url = mem_get(m, base + n + 1);

	memcpy(url, cfg->webhook_base, base);
	memcpy(url + base, uri, n);
	return url;
}

static bool
is_signed(const struct account *a, const char *url, const struct form *form,
    const char *signature)
{
	static const char *const spellings[] = { "", "", "no port",
	    "default port", "escaped" };
	enum sign_result r;

	for (int i = 0; i < 2; i++) {
		if (a->tokens[i] == NULL)
			continue;
		r = sign_check(signature, a->tokens[i], url, form, NULL, 0);
		if (r == SIGN_BAD)
			continue;
		if (i == 1 || r != SIGN_EXACT)
			log_debug("signature matched", "token=%s spelling=%s",
			    i == 1 ? "next" : "primary",
			    log_quote(spellings[r]));
		return true;
	}
	return false;
}

bool
account_check(const struct cfg *cfg, struct mem *m, const char *uri,
    const struct form *form, const char *signature, bool *verified,
    struct err *e)
{
	const char	*sid = form_some(form, "AccountSid");
	const char	*url = whole_url(cfg, m, uri);
	struct account	 a;

	*verified = false;
	if (cfg->environment == CFG_DEVELOPMENT) {
		log_warn("SIGNATURE NOT CHECKED: RINGBACK_ENV=development",
		    "%s", "");
		return true;
	}
	if (sid == NULL || !account_find(cfg, m, sid, &a)) {
		err_field(e, ERR_FORBIDDEN, "unknown_account", "AccountSid",
		    "the AccountSid is not one that is configured here");
	} else if (is_signed(&a, url, form, signature)) {
		*verified = true;
		return true;
	} else {
		err_field(e, ERR_FORBIDDEN, "bad_signature",
		    "X-Twilio-Signature", signature == NULL ?
		    "the request carries no Twilio signature" :
		    "the Twilio signature does not fit the request");
	}
	if (cfg->validate != CFG_OBSERVE)
		return false;
	log_warn("accepted because TWILIO_VALIDATE=observe", "why=%s",
	    log_quote(e->text));
	err_clear(e);
	return true;
}
