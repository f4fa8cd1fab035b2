/* SPDX-License-Identifier: ISC */
/* phone: numbers, SIDs, words of consent. */
#include "format/phone.h"

#include <string.h>

#include "tap.h"

#define HEX32		"0123456789abcdef0123456789ABCDEF"

static const struct {
	const char	*written;
	const char	*number;	/* NULL: not one */
} numbers[] = {
	{ "+18454090692",		"+18454090692" },
	{ " 18454090692",		"+18454090692" },	/* FACTS 0.8 */
	{ "  18454090692 ",		"+18454090692" },
	{ " +18454090692",		"+18454090692" },
	{ "+1 (845) 409-0692",		"+18454090692" },
	{ "+1.845.409.0692",		"+18454090692" },
	{ "+49 30/901820",		"+4930901820" },
	{ "tel:+1-845-409-0692",	"+18454090692" },
	{ "TEL:+18454090692",		"+18454090692" },
	{ "+1234567",			"+1234567" },
	{ "+123456789012345",		"+123456789012345" },
	{ "+123456",			NULL },
	{ "+1234567890123456",		NULL },
	{ "+0184540906",		NULL },
	{ "+44 (0)20 7946 0958",	NULL },
	{ "18454090692",		NULL },	/* whose country? */
	{ "(845) 409-0692",		NULL },
	{ "tel:845-409-0692",		NULL },
	{ "tel: 18454090692",		NULL },
	{ "+1845409069a",		NULL },
	{ "+1845++4090692",		NULL },
	{ "+18454090692;ext=5",		NULL },
	{ "+18454090692\n",		NULL },
	{ "+1\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4\xd9\xa5\xd9\xa6", NULL },
	{ "++18454090692",		NULL },
	{ "anonymous",			NULL },
	{ "client:ann",			NULL },
	{ "sip:+18454090692@example.com", NULL },
	{ "+",				NULL },
	{ " ",				NULL },
	{ "",				NULL },
};

static const struct {
	const char	*sid;
	const char	*prefixes;
	bool		 good;
} sids[] = {
	{ "CA" HEX32,		"CA",		true },
	{ "SM" HEX32,		"SM|MM",	true },
	{ "MM" HEX32,		"SM|MM",	true },
	{ "RE" HEX32,		"SM|MM",	false },
	{ "CA" HEX32,		"",		false },
	{ "|M" HEX32,		"SM|MM",	false },
	{ "M|" HEX32,		"SM|MM",	false },
	{ "ca" HEX32,		"CA",		false },
	{ "CA" HEX32 "0",	"CA",		false },
	{ "CA0123456789abcdef0123456789ABCDE",	"CA", false },
	{ "CA0123456789abcdef0123456789ABCDEg",	"CA", false },
	{ "CA../../../../../../../../../../..",	"CA", false },
	{ "CA" HEX32 "\n",	"CA",		false },
	{ "CA",			"CA",		false },
	{ "C",			"CA",		false },
	{ "",			"CA",		false },
};

static const struct {
	const char		*body;
	enum phone_consent	 consent;
} bodies[] = {
	{ "STOP",	CONSENT_STOP },
	{ "stop",	CONSENT_STOP },
	{ " Stop \r\n",	CONSENT_STOP },
	{ "STOPALL",	CONSENT_STOP },
	{ "Unsubscribe", CONSENT_STOP },
	{ "END",	CONSENT_STOP },
	{ "QUIT",	CONSENT_STOP },
	{ "CANCEL",	CONSENT_STOP },
	{ "REVOKE",	CONSENT_STOP },
	{ "OPTOUT",	CONSENT_STOP },
	{ "START",	CONSENT_START },
	{ "unstop",	CONSENT_START },
	{ "\tYes",	CONSENT_START },
	{ "HELP",	CONSENT_HELP },
	{ "info\n",	CONSENT_HELP },
	{ "STOP 12345",	CONSENT_NONE },		/* FACTS 2.5 */
	{ "please stop", CONSENT_NONE },
	{ "STOP.",	CONSENT_NONE },
	{ "STO",	CONSENT_NONE },
	{ "STOPP",	CONSENT_NONE },
	{ "yes please",	CONSENT_NONE },
	{ "hello",	CONSENT_NONE },
	{ " ",		CONSENT_NONE },
	{ "",		CONSENT_NONE },
	{ NULL,		CONSENT_NONE },
};

static const struct {
	const char	*number, *countries;
	bool		 in;
} places[] = {
	{ "+14155550188",  "+1",	 true },
	{ "+12045550188",  "+1",	 true },	/* Manitoba */
	{ "+442079460018", "+1",	 false },
	{ "+442079460018", "+1,+44",	 true },
	{ "+442079460018", "+1,+4420",	 true },
	{ "+441512345678", "+1,+4420",	 false },
	{ "+18765550188",  "+1",	 false },	/* Jamaica */
	{ "+18765550188",  "+1,+1876",	 true },
	{ "+18765550188",  "+1876,+1",	 true },
	{ "+14415550188",  "+44,+1",	 false },	/* Bermuda */
	{ "+19005550188",  "+1",	 false },	/* premium */
	{ "+19005550188",  "*",		 true },
	{ "+88213300000",  "+1,+44",	 false },
	{ "+88213300000",  "+8",	 true },
};

int
main(void)
{
	struct mem *m = mem_new();

	for (size_t i = 0; i < COUNT(numbers); i++)
		tap_is(phone_to_e164(m, numbers[i].written), numbers[i].number,
		    "number '%s'", numbers[i].written);
	tap_ok(phone_is_e164("+18454090692"), "E.164");
	tap_ok(!phone_is_e164("+1 8454090692") && !phone_is_e164("18454090692")
	    && !phone_is_e164("+123456") && !phone_is_e164("") &&
	    !phone_is_e164("+01845409069") && !phone_is_e164("+1845409069x"),
	    "E.164 takes no other way of writing");
	for (size_t i = 0; i < COUNT(sids); i++)
		tap_ok(phone_is_sid(sids[i].sid, sids[i].prefixes) ==
		    sids[i].good, "SID '%s' of '%s'", sids[i].sid,
		    sids[i].prefixes);
	tap_ok(phone_is_party("+14155550188") && phone_is_party("21610") &&
	    phone_is_party("whatsapp:+14155550188"),
	    "a number, a short code, a number behind a channel");
	tap_ok(!phone_is_party(NULL) && !phone_is_party("") &&
	    !phone_is_party("12") && !phone_is_party("anonymous") &&
	    !phone_is_party("whatsapp:") && !phone_is_party("+1415555x"),
	    "and nobody else");
	for (size_t i = 0; i < COUNT(bodies); i++)
		tap_ok(phone_consent(bodies[i].body) == bodies[i].consent,
		    "consent '%s'", bodies[i].body == NULL ? "NULL" :
		    bodies[i].body);
	for (size_t i = 0; i < COUNT(places); i++)
		tap_ok(phone_is_in(places[i].number, places[i].countries) ==
		    places[i].in, "'%s' %s '%s'", places[i].number,
		    places[i].in ? "in" : "not in", places[i].countries);
	mem_free(m);
	return tap_done();
}
