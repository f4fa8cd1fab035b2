/* SPDX-License-Identifier: ISC */
/* codes: the codes that people meet, in numeric order. */
#include "format/codes.h"

#include <stddef.h>

#include "base/banned.h"

static const struct {
	int	code;
	char	field[8];		/* of a request that it blames, or "" */
	char	sentence[72];
} codes[] = {
	{ 11200, "", "Twilio could not fetch a webhook from this server." },
	{ 11205, "", "Twilio could not connect to this server." },
	{ 11750, "", "The TwiML answered was larger than 64 kB." },
	{ 12100, "", "The TwiML answered was not well-formed XML." },
	{ 12200, "", "The TwiML answered has a verb or attribute Twilio "
	    "does not know." },
	{ 12300, "", "The webhook was answered with a content type that is "
	    "not TwiML." },
	{ 13224, "", "The number dialled is not valid." },
	{ 13225, "", "The number dialled is blocked." },
	{ 14107, "", "Two numbers answered each other too often; Twilio "
	    "stopped it." },
	{ 20003, "", "Twilio did not accept our credentials." },
	{ 20404, "", "Twilio has no such thing." },
	{ 20429, "", "Too many requests to Twilio at once." },
	{ 21210, "from", "The calling number is neither yours nor verified." },
	{ 21211, "to", "The number to reach is not valid." },
	{ 21212, "from", "The number to send from is not valid." },
	{ 21214, "to", "The number to reach cannot be called." },
	{ 21215, "to", "The account may not call this country." },
	{ 21216, "to", "The account may not call this number." },
	{ 21217, "to", "The number is not valid." },
	{ 21408, "to", "The account may not send texts to this region." },
	{ 21606, "from", "The sender number is not yours or cannot send "
	    "texts." },
	{ 21608, "to", "A trial account can text verified numbers only." },
	{ 21610, "to", "The recipient has opted out (STOP) of this sender." },
	{ 21611, "from", "The sender has too many texts waiting already." },
	{ 21612, "", "No route from this sender to this recipient." },
	{ 21614, "to", "The recipient is not a mobile number." },
	{ 21617, "body", "The text is longer than 1600 characters." },
	{ 21620, "mediaUrl", "Twilio cannot use the address of the picture." },
	{ 21635, "to", "The recipient is a landline." },
	{ 30001, "", "Twilio's queue was full." },
	{ 30002, "", "The Twilio account is suspended." },
	{ 30003, "", "The handset is switched off or unreachable." },
	{ 30004, "", "The recipient blocks messages." },
	{ 30005, "", "The recipient's number is unknown or no longer in "
	    "use." },
	{ 30006, "", "The recipient is a landline or cannot be reached by "
	    "text." },
	{ 30007, "", "The carrier filtered the message." },
	{ 30008, "", "The carrier gave no reason." },
	{ 30034, "", "The sender is not registered for US A2P 10DLC "
	    "traffic." },
	{ 30450, "", "The message was stopped as likely SMS pumping fraud." },
	{ 32018, "", "The TwiML sent with the call was longer than 4000 "
	    "characters." },
};
#define COUNT	(sizeof(codes) / sizeof(codes[0]))

static size_t
find(long code)
{
	size_t i = 0;

	while (i < COUNT && codes[i].code != code)
		i++;
	return i;
}

const char *
codes_sentence(struct mem *m, long code)
{
	size_t i = find(code);

	return i != COUNT ? codes[i].sentence : mem_printf(m, "Twilio's error "
	    "%ld; see https://www.twilio.com/docs/api/errors/%ld.", code,
	    code);
}

const char *
codes_field(long code)
{
	size_t i = find(code);

	return i == COUNT || codes[i].field[0] == '\0' ? NULL :
	    codes[i].field;
}
