/* SPDX-License-Identifier: ISC */
/* account: tokens by AccountSid, signatures over the configured URL. */
#include "domain/account.h"

#include <string.h>

#include "base/log.h"
#include "format/sign.h"

#include "base/banned.h"

/* One "ACsid:token[:next]" of TWILIO_SUBACCOUNTS. */
static bool
entry_matches(struct mem *m, const char *entry, size_t n, const char *sid,
    struct account *a)
{
	char *copy = mem_dup_n(m, entry, n), *token, *next;

	if ((token = strchr(copy, ':')) == NULL)
		return false;
	*token++ = '\0';
	if (strcmp(copy, sid) != 0)
		return false;
	if ((next = strchr(token, ':')) != NULL)
		*next++ = '\0';
	*a = (struct account){ .sid = copy, .tokens = { token, next } };
	return true;
}

bool
account_find(const struct cfg *cfg, struct mem *m, const char *sid,
    struct account *a)
{
	size_t n;

	if (strcmp(sid, cfg->account_sid) == 0) {
		*a = (struct account){ .sid = cfg->account_sid,
		    .tokens = { cfg->auth_token, cfg->auth_token_next } };
		return true;
	}
	for (const char *p = cfg->subaccounts; p != NULL && *p != '\0'; ) {
		n = strcspn(p, ",");
		if (entry_matches(m, p, n, sid, a))
			return true;
		p += p[n] == ',' ? n + 1 : n;
	}
	return false;
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
	const char	*url = mem_printf(m, "%s%s", cfg->webhook_base, uri);
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
