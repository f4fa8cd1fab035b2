/* SPDX-License-Identifier: ISC */
/* Fuzzer of numbers, SIDs and words of consent: input is a text LF a list of
 * countries. What is taken for a number is one, and stays itself; a country
 * that is not named is not reached. */
#include "fuzz.h"

#include <ctype.h>

#include "base/text.h"
#include "format/phone.h"

/* In the form that SEND_COUNTRIES has (cfg.def). */
static bool
is_list(const char *s)
{
	return text_matches(s, "^(\\*|\\+[0-9]+(,\\+[0-9]+)*)$");
}

static void
check_number(struct mem *m, const char *s, const char *countries)
{
	char	*number = phone_to_e164(m, s), *list, *one, *next;
	size_t	 digits;
	bool	 named = false;

	if (phone_is_e164(s))
		must(number != NULL && strcmp(number, s) == 0);
	if (number == NULL)
		return;
	digits = strlen(number) - 1;
	must(number[0] == '+' && number[1] >= '1' && number[1] <= '9');
	must(strspn(number + 1, "0123456789") == digits);
	must(digits >= 7 && digits <= 15);
	must(strcmp(phone_to_e164(m, number), number) == 0);
	must(phone_is_in(number, "*"));
	must(phone_is_in(number, number));
	if (!is_list(countries))
		return;
	list = mem_dup(m, countries);
	for (one = list; one != NULL; one = next) {
		if ((next = strchr(one, ',')) != NULL)
			*next++ = '\0';
		named = named || *one == '*' || text_starts(number, one);
	}
	if (phone_is_in(number, countries))
		must(named);
	else
		must(!named || text_starts(number, "+1"));
}

static void
check_sid(const char *s)
{
	static const char *const prefixes[] = { "CA", "SM|MM", "RE", "AC" };
	size_t hex = strlen(s) < 2 ? 0 : strspn(s + 2,
	    "0123456789abcdefABCDEF");

	for (size_t i = 0; i < 4; i++)
		if (phone_is_sid(s, prefixes[i]))
			must(strlen(s) == 34 && hex == 32 &&
			    (strncmp(s, prefixes[i], 2) == 0 || (i == 1 &&
			    strncmp(s, "MM", 2) == 0)));
}

static void
check_consent(struct mem *m, const char *s)
{
	char			*other = mem_printf(m, " \t%s\r\n", s);
	enum phone_consent	 said = phone_consent(s);

	for (char *p = other; *p != '\0'; p++)
		if (isascii(*p))
			*p = (char)(isupper(*p) ? tolower(*p) : toupper(*p));
	must(phone_consent(other) == said);
	must(said == CONSENT_NONE || phone_consent(mem_printf(m, "%s x", s)) ==
	    CONSENT_NONE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct rest	 r = { (const char *)bytes, n };
	struct mem	*m = mem_new();
	char		*s = rest_line(m, &r);

	check_number(m, s, rest_line(m, &r));
	check_sid(s);
	check_consent(m, s);
	mem_free(m);
	return 0;
}
