/* SPDX-License-Identifier: ISC */
/* phone: shapes and words. */
#include "format/phone.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#include "base/banned.h"

#define DIGITS		"0123456789"
#define E164_MIN_DIGITS	7
#define E164_MAX_DIGITS	15
#define SID_PREFIX	2
#define SID_CHARS	(SID_PREFIX + 32)

static const struct {
	const char		*word;
	enum phone_consent	 consent;
} words[] = {
	{ "STOP",	 CONSENT_STOP },
	{ "STOPALL",	 CONSENT_STOP },
	{ "UNSUBSCRIBE", CONSENT_STOP },
	{ "END",	 CONSENT_STOP },
	{ "QUIT",	 CONSENT_STOP },
	{ "CANCEL",	 CONSENT_STOP },
	{ "REVOKE",	 CONSENT_STOP },
	{ "OPTOUT",	 CONSENT_STOP },
	{ "START",	 CONSENT_START },
	{ "UNSTOP",	 CONSENT_START },
	{ "YES",	 CONSENT_START },
	{ "HELP",	 CONSENT_HELP },
	{ "INFO",	 CONSENT_HELP },
};

bool
phone_is_e164(const char *s)
{
	size_t digits;

	if (s[0] != '+' || s[1] == '0')
		return false;
	digits = strspn(s + 1, DIGITS);
	return s[1 + digits] == '\0' && digits >= E164_MIN_DIGITS &&
	    digits <= E164_MAX_DIGITS;
}

char *
phone_to_e164(struct mem *m, const char *s)
{
	char	*out = mem_get(m, strlen(s) + 2), *p = out;
	bool	 tel = strncasecmp(s, "tel:", 4) == 0;

	/* An unescaped '+' in a query arrives as a space. */
	if (s[0] == ' ' && s[strspn(s, " ")] != '+')
		*p++ = '+';
	for (s += tel ? 4 : 0; *s != '\0'; s++) {
		/* "+44 (0)20 …": dialled abroad without that nought, so
		 * taking the digits as they stand makes another number. */
		if (text_starts(s, "(0)"))
			return NULL;
		if (strchr(" -.()/", *s) == NULL)
			*p++ = *s;
	}
	return phone_is_e164(out) ? out : NULL;
}

/* Dialled like a number in the United States, charged like one abroad, and
 * so what fraud calls; 900 is premium. Source: nanpa.com (area codes). */
static const char	abroad[][4] = {
	"242", "246", "264", "268", "284", "345", "441", "473", "649", "658",
	"664", "721", "758", "767", "784", "809", "829", "849", "868", "869",
	"876", "900",
};

static bool
is_abroad(const char *number)
{
	for (size_t i = 0; i < sizeof(abroad) / sizeof(abroad[0]); i++)
		if (strncmp(number + 2, abroad[i], 3) == 0)
			return true;
	return false;
}

bool
phone_is_in(const char *number, const char *countries)
{
	size_t n;

	for (const char *p = countries; ; p += n + 1) {
		n = strcspn(p, ",");
		if (*p == '*' || (strncmp(p, number, n) == 0 &&
		    (n != 2 || p[1] != '1' || !is_abroad(number))))
			return true;
		if (p[n] == '\0')
			return false;
	}
}

bool
phone_is_party(const char *s)
{
	size_t n;

	if (s == NULL)
		return false;
	n = strspn(s, "abcdefghijklmnopqrstuvwxyz");
	s += n != 0 && s[n] == ':' ? n + 1 : 0;
	s += *s == '+';
	n = strspn(s, "0123456789");
	return n >= 3 && n <= 15 && s[n] == '\0';
}

bool
phone_is_sid(const char *s, const char *prefixes)
{
	/* Twilio's own description of its API has [0-9a-fA-F]. */
	if (strlen(s) != SID_CHARS)
		return false;
	for (const char *p = s + SID_PREFIX; *p != '\0'; p++)
		if (!isxdigit((unsigned char)*p))
			return false;
	for (const char *p = prefixes; ; p++) {
		if (strncmp(s, p, SID_PREFIX) == 0)
			return true;
		if ((p = strchr(p, '|')) == NULL)
			return false;
	}
}

enum phone_consent
phone_consent(const char *body)
{
	static const char	space[] = " \t\r\n";
	const char		*word;
	size_t			 n;

	if (body == NULL)
		return CONSENT_NONE;
	word = body + strspn(body, space);
	n = strcspn(word, space);
	if (word[n + strspn(word + n, space)] != '\0')
		return CONSENT_NONE;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].word) == n &&
		    strncasecmp(words[i].word, word, n) == 0)
			return words[i].consent;
	return CONSENT_NONE;
}
