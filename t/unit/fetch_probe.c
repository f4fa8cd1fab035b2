/* SPDX-License-Identifier: ISC */
/* fetch_probe: asks for a recording's media as the sweep does, for each SID on
 * standard input, with credentials that must go nowhere else; and prints what
 * came of it. For t/security-outbound.t, in a network of its own. */
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "base/cfg.h"
#include "domain/account.h"
#include "domain/twilio.h"
#include "edge/fetch.h"

int
main(int argc, char **argv)
{
	struct cfg		 cfg = { 0 };
	struct account		 a = { 0 };
	struct fetch_request	 q;
	struct fetch_answer	 answer;
	struct mem		*m;
	char			 sid[64];

	if (argc != 4)
		return 64;
	cfg.twilio_base = argv[1];
	cfg.account_sid = a.sid = argv[2];
	cfg.auth_token = a.tokens[0] = argv[3];
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return 1;
	while (fgets(sid, sizeof(sid), stdin) != NULL) {
		sid[strcspn(sid, "\n")] = '\0';
		m = mem_new();
		twilio_media(&cfg, m, &a, sid, &q);
		/* Where nobody answers the test need not wait as long. */
		q.connect_ms = 1000;
		q.total_ms = 5000;
		fetch_one(m, &q, &answer);
		printf("%s %ld %s%s\n", sid, answer.status,
		    answer.refused ? "refused " : "", answer.error);
		mem_free(m);
	}
	curl_global_cleanup();
	return 0;
}
