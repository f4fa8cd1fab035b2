/* SPDX-License-Identifier: ISC */
/* services: whom a pass asks, and which of them are not to be asked now,
 * because they refused our key or we have no credit left: waiting cures
 * neither, so a person is told, once, and nobody goes on knocking. */
#include "sweep.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "domain/pause.h"

#include "base/banned.h"

#define PAUSE_S		(15 * 60)

static const struct {
	const char	*word, *name;
} services[] = {
	[TWILIO] = { "twilio", "Twilio" },
	[SPEECH] = { "speech", "the transcription server" },
	[ANALYST] = { "analyst", "the language model's server" },
};

const char *
service_name(enum service which)
{
	return services[which].name;
}

static void
note(struct sweep *s, enum service which, long left_s, const char *why)
{
	s->pauses[which].ill = true;
	s->pauses[which].until_ms = clock_ms() + left_s * 1000;
	(void)snprintf(s->pauses[which].why, sizeof(s->pauses[which].why),
	    "%s", why);
}

bool
services_load(struct sweep *s, struct err *e)
{
	struct mem	*m = mem_new();
	struct pause	*list;
	size_t		 count;
	bool		 ok = pause_list(s->store, m, &list, &count, e);

	for (size_t i = 0; ok && i < count; i++)
		for (enum service k = TWILIO; k < SERVICES; k++)
			if (strcmp(list[i].service, services[k].word) == 0)
				note(s, k, list[i].left_s, list[i].why);
	mem_free(m);
	return ok;
}

void
service_pause(struct sweep *s, enum service which, const char *why)
{
	struct mem	*m = mem_new();
	struct err	 e;
	bool		 fresh = true;

	if (service_asleep(s, which)) {		/* others were in flight */
		mem_free(m);
		return;
	}
	note(s, which, PAUSE_S, why);
	if (!pause_begin(s->store, m, services[which].word, PAUSE_S, why,
	    &fresh, &e))
		log_warn("pause not kept", "why=%s", log_quote(e.text));
	log_at(fresh ? LEVEL_ERROR : LEVEL_INFO, "paused: a person must act; "
	    "nothing is lost", "service=%s minutes=%d why=%s",
	    services[which].word, PAUSE_S / 60, log_quote(why));
	mem_free(m);
}

void
service_is_well(struct sweep *s, enum service which)
{
	struct mem	*m;
	struct err	 e;

	s->outages[which] = 0;
	if (!s->pauses[which].ill)
		return;
	m = mem_new();
	if (pause_end(s->store, m, services[which].word, &e)) {
		memset(&s->pauses[which], 0, sizeof(s->pauses[which]));
		log_info("resumed", "service=%s", services[which].word);
	}
	mem_free(m);
}

bool
service_asleep(const struct sweep *s, enum service which)
{
	return s->pauses[which].ill &&
	    clock_ms() < s->pauses[which].until_ms;
}

struct work_scope
services_scope(const struct sweep *s)
{
	return (struct work_scope){
		.transcribe = !service_asleep(s, TWILIO) &&
		    !service_asleep(s, SPEECH),
		.analyse = !service_asleep(s, ANALYST),
	};
}

size_t
services_jobs(const struct sweep *s, size_t jobs)
{
	for (enum service k = TWILIO; k < SERVICES; k++)
		if (s->pauses[k].ill && !service_asleep(s, k))
			return 1;
	return jobs;
}
