/* SPDX-License-Identifier: ISC */
#include "edge/url.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/cfg.h"
#include "base/text.h"

#include "base/banned.h"

/* What curl makes of a relative Location begins with the user and password
 * of the request before. */
const char *
url_without_user(struct mem *m, const char *url)
{
	CURLU		*u = curl_url();
	char		*part = NULL;
	const char	*plain = NULL;

	if (u == NULL)
		abort();
	if (url != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_URL, &part, 0) == CURLUE_OK)
		plain = mem_dup(m, part);
	curl_free(part);
	curl_url_cleanup(u);
	return plain;
}

/* On other ports stands what nobody meant for the world. */
bool
url_may_lead(const char *url, bool outside)
{
	CURLU	*u = curl_url();
	char	*port = NULL;
	bool	 ok;

	if (u == NULL)
		abort();
	ok = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ==
	    CURLUE_OK;
	if (outside)
		ok = ok && text_starts(url, "https://") &&
		    strcmp(port, "443") == 0;
	else
		ok = ok && (text_starts(url, "https://") ||
		    (text_starts(url, "http://") && cfg_is_loopback(url)));
	curl_free(port);
	curl_url_cleanup(u);
	return ok;
}
