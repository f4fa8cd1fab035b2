/* SPDX-License-Identifier: ISC */
/* twiml: writes TwiML, the XML that tells Twilio what to do with a call or a
 * text. The only XML writer here: text is escaped, what is not UTF-8 or not
 * allowed in XML 1.0 is dropped, attributes with a NULL value are left out.
 *	twiml_open(&t, body);
 *	twiml_say(&t, &voice, "Please leave a message.");
 *	ok = twiml_close(&t, e);	-- trouble surfaces here, once
 * Source of names and limits: twilio.com/docs/voice/twiml, /messaging/twiml;
 * a document over 64 kB is refused by Twilio (error 11750). */
#ifndef FORMAT_TWIML_H
#define FORMAT_TWIML_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

#define TWIML_MAX_BYTES	(64 * 1000)

/* Longer text is cut, not refused: half an answer beats a dead line. In
 * characters (FACTS: errors 13521 and 21617). */
#define TWIML_SAY_MAX		4096
#define TWIML_SAY_MAX_POLLY	3000	/* voices named "Polly.…" */
#define TWIML_MESSAGE_MAX	1600

struct twiml {
	struct buf	*out;
	bool		 has_verb;
};

struct twiml_voice {
	const char	*name;		/* "Polly.Joanna", NULL: account's */
	const char	*language;	/* "en-US", NULL: the voice's */
};

struct twiml_record {
	const char	*action;	/* absolute URL */
	const char	*status_callback;
	const char	*status_events;	/* space separated */
	long		 max_length_s;	/* 1..14400 */
	long		 timeout_s;	/* of silence; 0 = never */
	const char	*finish_on_key;	/* NULL: Twilio's default, any key */
};

/* Starts afresh whatever the buffer holds: after a failure half-way the same
 * buffer takes the apology. A document without a verb is "<Response/>". */
void	 twiml_open(struct twiml *, struct buf *);

/* Text that is NULL, or of which nothing is left, writes no verb: Twilio would
 * fail on an empty one. */
void	 twiml_say(struct twiml *, const struct twiml_voice *,
	    const char *text);
void	 twiml_message(struct twiml *, const char *text);

void	 twiml_record(struct twiml *, const struct twiml_record *);
void	 twiml_hangup(struct twiml *);
MUST_CHECK bool	 twiml_close(struct twiml *, struct err *);

#endif
