/* SPDX-License-Identifier: ISC */
/* twilio: requests to Twilio's REST API. URLs are made of configuration and
 * SIDs, never of what a callback said (FAULTS T7). */
#ifndef DOMAIN_TWILIO_H
#define DOMAIN_TWILIO_H

#include "base/cfg.h"
#include "base/mem.h"
#include "domain/account.h"
#include "edge/fetch.h"

/* Connection overrides, behind a callback's URL and no part of what is
 * signed: by default Twilio asks again only when it cannot connect, so an
 * honest 503 would lose the event. A live call cannot wait as long.
 * Source: twilio.com/docs/usage/webhooks/webhooks-connection-overrides */
#define TWILIO_ASK_AGAIN	"#rc=5&rp=all"
#define TWILIO_ASK_AGAIN_LIVE	"#rc=2&rp=ct,rt,5xx"

/* Four hours, the longest recording, are 58 MB of mp3. */
#define TWILIO_MAX_MEDIA	(64 * 1024 * 1024)

/* GET a recording's media: mp3, 32 kbit/s, a quarter of the wav, so that an
 * hour fits a transcription request. May redirect to storage. */
void	 twilio_media(const struct cfg *, struct mem *, const struct account *,
	    const char *recording_sid, struct fetch_request *);

/* DELETE a recording: 204, or 404 when it is gone already. */
void	 twilio_delete_recording(const struct cfg *, struct mem *,
	    const struct account *, const char *recording_sid,
	    struct fetch_request *);

/* GET one thing: "Calls/CA…", "Messages/SM…". */
void	 twilio_get(const struct cfg *, struct mem *, const struct account *,
	    const char *thing, struct fetch_request *);
/* DELETE what a message carried: 204, or 404 when it is gone already. */
void	 twilio_delete_media(const struct cfg *, struct mem *,
	    const struct account *, const char *message_sid,
	    const char *media_sid, struct fetch_request *);
/* POST a message's empty Body, which is how Twilio is told to forget it. */
void	 twilio_redact(const struct cfg *, struct mem *,
	    const struct account *, const char *message_sid,
	    struct fetch_request *);

/* POST a new call or message; form is the encoded body. */
void	 twilio_create(const struct cfg *, struct mem *, const struct account *,
	    const char *resource, const char *form, struct fetch_request *);

/* GET the last thousand calls or messages to a number, newest first, to find
 * out what became of one that we asked for. from: a number, or a Messaging
 * Service, which Twilio cannot list by. Not by day either: what is still in
 * Twilio's queue has neither StartTime nor DateSent. */
void	 twilio_list(const struct cfg *, struct mem *, const struct account *,
	    const char *resource, const char *from, const char *to,
	    struct fetch_request *);

/* GET a page of all that an account has of something, newest first; or of
 * one party's ("From" or "To", and the number), unless that is NULL. page:
 * next_page_uri of the page before, NULL for the first; ERR_INPUT for one that
 * is not of this list. */
MUST_CHECK bool	 twilio_page(const struct cfg *, struct mem *,
		     const struct account *, const char *resource,
		     const char *party, const char *number, const char *page,
		     size_t most, struct fetch_request *, struct err *);

#endif
