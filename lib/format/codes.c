/* SPDX-License-Identifier: ISC */
/* codes: the codes that people meet, in numeric order. */
#include "format/codes.h"

#include <stddef.h>

#include "base/banned.h"

static const struct {
	long		 code;
	const char	*sentence;
} codes[] = {
	{ 11200, "Twilio could not fetch a webhook from this server." },
	{ 11205, "Twilio could not connect to this server." },
	{ 11750, "The TwiML answered was larger than 64 kB." },
	{ 12100, "The TwiML answered was not well-formed XML." },
	{ 12200, "The TwiML answered has a verb or attribute Twilio does not "
	    "know." },
	{ 12300, "The webhook was answered with a content type that is not "
	    "TwiML." },
	{ 13224, "The number dialled is not valid." },
	{ 13225, "The number dialled is blocked." },
	{ 14107, "Two numbers answered each other too often; Twilio stopped "
	    "it." },
	{ 20003, "Twilio did not accept our credentials." },
	{ 20404, "Twilio has no such thing." },
	{ 20429, "Too many requests to Twilio at once." },
	{ 21211, "The number to reach is not valid." },
	{ 21212, "The number to send from is not valid." },
	{ 21214, "The number to reach cannot be called." },
	{ 21215, "The account may not call this country." },
	{ 21217, "The number is not valid." },
	{ 21408, "The account may not send texts to this region." },
	{ 21606, "The sender number is not yours or cannot send texts." },
	{ 21608, "A trial account can text verified numbers only." },
	{ 21610, "The recipient has opted out (STOP) of this sender." },
	{ 21612, "No route from this sender to this recipient." },
	{ 21614, "The recipient is not a mobile number." },
	{ 21617, "The text is longer than 1600 characters." },
	{ 21635, "The recipient is a landline." },
	{ 30001, "Twilio's queue was full." },
	{ 30002, "The Twilio account is suspended." },
	{ 30003, "The handset is switched off or unreachable." },
	{ 30004, "The recipient blocks messages." },
	{ 30005, "The recipient's number is unknown or no longer in use." },
	{ 30006, "The recipient is a landline or cannot be reached by "
	    "text." },
	{ 30007, "The carrier filtered the message." },
	{ 30008, "The carrier gave no reason." },
	{ 30034, "The sender is not registered for US A2P 10DLC traffic." },
	{ 30450, "The message was stopped as likely SMS pumping fraud." },
	{ 32018, "The TwiML sent with the call was longer than 4000 "
	    "characters." },
};

const char *
codes_sentence(long code)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == code)
			return codes[i].sentence;
	return NULL;
}
