/* SPDX-License-Identifier: ISC */
/* phone: shapes of numbers and of Twilio's SIDs, and the words of consent.
 * Pure predicates; the edge decides with them, everybody inside trusts it. */
#ifndef FORMAT_PHONE_H
#define FORMAT_PHONE_H

#include <stdbool.h>

#include "base/mem.h"

/* "+" and 7 to 15 digits, the first not 0 (ITU-T E.164). */
bool	 phone_is_e164(const char *s);

/* A number as people and unescaped query strings write it (" 18454090692",
 * "+1 (845) 409-0692", "tel:…") as E.164, or NULL when it is not one. */
char	*phone_to_e164(struct mem *, const char *s);

/* Whether a number is in one of the countries, written as prefixes: "+1,+44",
 * or "*" for all. "+1" is the United States and Canada without their premium
 * numbers: whoever means another country that shares it says "+1876". */
bool	 phone_is_in(const char *number, const char *countries);

/* Who can be at an end of a text: a number, a short code, or one behind a
 * channel ("whatsapp:+1…"). NULL is nobody. */
bool	 phone_is_party(const char *s);

/* prefix ("CA", "SM|MM", "RE", "AC", "PN", "MG") and 32 hex digits. */
bool	 phone_is_sid(const char *s, const char *prefixes);

/* Words to which Twilio itself replies and we must not: the whole body,
 * trimmed, any case (FACTS 3.4: default opt-out, opt-in and help words). */
enum phone_consent { CONSENT_NONE, CONSENT_STOP, CONSENT_START, CONSENT_HELP };
enum phone_consent phone_consent(const char *body);

#endif
