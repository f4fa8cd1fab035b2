/* SPDX-License-Identifier: ISC */
/* cfg: one table drives reading, checking and printing. */
#include "base/cfg.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <curl/curl.h>

#include "base/env.h"
#include "base/text.h"

#include "base/banned.h"

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif

enum type { TEXT, URL, NUMBER, CHOICE };
enum { HOOKS = CFG_HOOKS, API = CFG_API, SWEEP = CFG_SWEEP, EVERY = CFG_EVERY };
enum { SECRET = 1, BLANK = 2, ONLY_SHIFT = 8 };
#define ONLY(programs)	((unsigned)(programs) << ONLY_SHIFT)

static const struct row {
	enum type	 type;
	unsigned	 offset;
	const char	*env;
	unsigned	 needed;
	unsigned	 flags;
	const char	*fallback;
	const char	*shape;
	const char	*doc;
} rows[] = {
#define CFG(type, field, env, needed, flags, fallback, shape, doc) \
	{ type, offsetof(struct cfg, field), env, needed, flags, fallback, \
	  shape, doc },
#include "base/cfg.def"
#undef CFG
};
#define ROWS	(sizeof(rows) / sizeof(rows[0]))

static const struct program {
	enum cfg_program	 program;
	const char		*user, *file, *database;
} programs[] = {
	{ CFG_ADMIN, "ringback", ".env", "DATABASE_URL" },
	{ CFG_HOOKS, "ringback-hooks", "hooks.env", "DATABASE_URL_HOOKS" },
	{ CFG_API, "ringback-api", "api.env", "DATABASE_URL_API" },
	{ CFG_SWEEP, "ringback-sweep", "sweep.env", "DATABASE_URL_SWEEP" },
};

static const struct program *
program_of(enum cfg_program program)
{
	const struct program *p = programs;

	while (p->program != program)
		p++;
	return p;
}

const char *
cfg_user(enum cfg_program program)
{
	return program_of(program)->user;
}

const char *
cfg_file_name(enum cfg_program program)
{
	return program_of(program)->file;
}

static const struct row *
row_find(const char *env)
{
	for (size_t i = 0; i < ROWS; i++)
		if (strcmp(rows[i].env, env) == 0)
			return &rows[i];
	return NULL;
}

/* Its own DATABASE_URL_…; the administrator's is DATABASE_URL. */
static const struct row *
database_of(enum cfg_program program)
{
	const struct row *r = row_find(program_of(program)->database);

	if (r == NULL)
		abort();
	return r;
}

static const char **
text_of(const struct cfg *c, const struct row *r)
{
	return (const char **)((uintptr_t)c + r->offset);
}

static long *
number_of(const struct cfg *c, const struct row *r)
{
	return (long *)((uintptr_t)c + r->offset);
}

/* Host and scheme of a URL, and whether it can be a base: it has no user,
 * query or fragment. False when it is no URL. */
static bool
url_split(const char *url, char *host, size_t host_room, bool *https,
    bool *base)
{
	static const CURLUPart	 unwanted[] = { CURLUPART_USER,
				     CURLUPART_QUERY, CURLUPART_FRAGMENT };
	CURLU			*u = curl_url();
	char			*part = NULL, *scheme = NULL;
	bool			 ok = false;

	if (u == NULL)
		abort();
	/* libcurl would take "https:/host" as well. */
	if (!text_starts(url + strcspn(url, ":"), "://") ||
	    curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
		goto out;
	*base = true;
	for (size_t i = 0; i < 3; i++) {
		if (curl_url_get(u, unwanted[i], &part, 0) == CURLUE_OK)
			*base = false;
		curl_free(part);
		part = NULL;
	}
	if (curl_url_get(u, CURLUPART_HOST, &part, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
		goto out;
	(void)snprintf(host, host_room, "%s", part);
	*https = strcmp(scheme, "https") == 0;
	ok = *https || strcmp(scheme, "http") == 0;
out:
	curl_free(part);
	curl_free(scheme);
	curl_url_cleanup(u);
	return ok;
}

/* What libcurl would look up as a name ("127.0.0.300") is not this machine. */
static bool
host_is_loopback(const char *host)
{
	struct in_addr a;

	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	    (inet_pton(AF_INET, host, &a) == 1 &&
	    ntohl(a.s_addr) >> 24 == 127);
}

bool
cfg_is_loopback(const char *url)
{
	char	host[256];
	bool	https, base;

	return url_split(url, host, sizeof(host), &https, &base) &&
	    host_is_loopback(host);
}

/* Index of value among "a|b|c", or -1. */
static long
choice_index(const char *value, const char *shape)
{
	size_t n = strlen(value), k;

	for (long i = 0; ; i++) {
		k = strcspn(shape, "|");
		if (k == n && memcmp(shape, value, n) == 0)
			return i;
		if (shape[k] == '\0')
			return -1;
		shape += k + 1;
	}
}

static void
set_url(struct cfg *c, struct mem *m, const struct row *r, const char *value,
    struct buf *problems)
{
	char	host[256], *copy;
	bool	https, base;
	size_t	n;

	if (!url_split(value, host, sizeof(host), &https, &base) || !base) {
		buf_printf(problems, "%s: not an http(s) URL without user, "
		    "query or fragment\n", r->env);
		return;
	}
	if (!https && !host_is_loopback(host)) {
		buf_printf(problems, "%s: http:// is accepted for this "
		    "machine only; use https://\n", r->env);
		return;
	}
	copy = mem_dup(m, value);
	for (n = strlen(copy); n > 0 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	*text_of(c, r) = copy;
}

static void
set(struct cfg *c, struct mem *m, const struct row *r, const char *value,
    struct buf *problems)
{
	long min, max, v;

	if (!text_is_utf8(value, strlen(value))) {
		buf_printf(problems, "%s: not UTF-8\n", r->env);
		return;
	}
	switch (r->type) {
	case TEXT:
		if (r->shape != NULL && !text_matches(value, r->shape))
			buf_printf(problems, "%s: not of the form %s\n",
			    r->env, r->shape);
		else
			*text_of(c, r) = mem_dup(m, value);
		break;
	case URL:
		set_url(c, m, r, value, problems);
		break;
	case NUMBER:
		if (sscanf(r->shape, "%ld..%ld", &min, &max) != 2)
			abort();
		if (text_to_long(value, min, max, &v))
			*number_of(c, r) = v;
		else
			buf_printf(problems, "%s: not a whole number in %s\n",
			    r->env, r->shape);
		break;
	case CHOICE:
		if ((v = choice_index(value, r->shape)) >= 0)
			*number_of(c, r) = v;
		else
			buf_printf(problems, "%s: must be one of %s\n",
			    r->env, r->shape);
		break;
	}
}

/* Values by row; NULL: the file does not say. */
static void
read_file(struct mem *m, const char *file, const struct env_line *lines[ROWS],
    struct buf *problems)
{
	struct env_line		*all;
	const struct row	*r;
	size_t			 count;

	env_read(m, file, &all, &count, problems);
	for (size_t i = 0; i < count; i++)
		if ((r = row_find(all[i].name)) == NULL)
			buf_printf(problems, "%s line %u: no setting is called "
			    "%s\n", file, all[i].number, all[i].name);
		else
			lines[r - rows] = &all[i];
}

/* "/v1" behind a bare host, as every OpenAI-compatible server expects. */
static const char *
with_version(struct mem *m, const char *base)
{
	const char *host = strstr(base, "://") + 3;

	return strchr(host, '/') == NULL ? mem_printf(m, "%s/v1", base) : base;
}

/* What one row cannot know of another. */
static void
check_together(struct cfg *c, struct mem *m, enum cfg_program program,
    struct buf *problems)
{
	if ((c->api_key == NULL) != (c->api_secret == NULL))
		buf_str(problems, "TWILIO_API_KEY and TWILIO_API_SECRET go "
		    "together\n");
	if (c->openai_base != NULL)
		c->openai_base = with_version(m, c->openai_base);
	if (c->llm_base != NULL)
		c->llm_base = with_version(m, c->llm_base);
	if (c->llm_key == NULL)
		c->llm_key = c->openai_key;
	if (program != CFG_SWEEP)
		return;
	if (c->openai_key == NULL && c->openai_base != NULL &&
	    !cfg_is_loopback(c->openai_base))
		buf_str(problems, "OPENAI_API_KEY: required, unless "
		    "OPENAI_BASE_URL is on this machine\n");
	if (c->llm_key == NULL && c->llm_base != NULL &&
	    !cfg_is_loopback(c->llm_base))
		buf_str(problems, "LLM_API_KEY: required, unless "
		    "LLM_BASE_URL is on this machine\n");
}

static void
own_database(struct cfg *c, enum cfg_program program)
{
	const char *own = *text_of(c, database_of(program));

	if (own != NULL)
		c->database_url = own;
}

bool
cfg_load(struct cfg **out, struct mem *m, const char *file,
    enum cfg_program program, struct buf *problems)
{
	struct mem	*own = mem_new();	/* what the file says */
	struct cfg	*c = mem_get(m, sizeof(*c));
	const struct env_line *lines[ROWS] = { NULL };
	const char	*value, *installed;
	struct stat	 st;

	installed = mem_printf(m, SYSCONFDIR "/ringback/%s",
	    cfg_file_name(program));
	if (file == NULL)
		file = getenv("RINGBACK_CONFIG");
	if (file == NULL && stat(installed, &st) == 0)
		file = installed;
	if (file != NULL)
		read_file(own, file, lines, problems);
	c->file = mem_dup(m, file);
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];

		if ((value = getenv(r->env)) == NULL)
			value = lines[i] == NULL ? NULL : lines[i]->value;
		if (value != NULL && *value == '\0' && !(r->flags & BLANK))
			value = NULL;
		if (value == NULL && (r->needed & program))
			buf_printf(problems, "%s: required: %s\n", r->env,
			    r->doc);
		if (value == NULL)
			value = r->fallback;
		if (value != NULL)
			set(c, m, r, value, problems);
	}
	mem_free(own);
	check_together(c, m, program, problems);
	own_database(c, program);
	*out = c;
	return problems->len == 0;
}

void
cfg_print(const struct cfg *c, struct buf *out)
{
	for (size_t i = 0; i < ROWS; i++) {
		const struct row	*r = &rows[i];
		const char		*text, *p;

		buf_printf(out, "%s=", r->env);
		switch (r->type) {
		case NUMBER:
			buf_printf(out, "%ld", *number_of(c, r));
			break;
		case CHOICE:
			p = r->shape;
			for (long k = *number_of(c, r); k > 0; k--)
				p += strcspn(p, "|") + 1;
			buf_add(out, p, strcspn(p, "|"));
			break;
		default:
			text = *text_of(c, r);
			buf_str(out, text == NULL ? "" :
			    r->flags & SECRET ? "(set)" : text);
		}
		buf_chr(out, '\n');
	}
}

void
cfg_sample(struct buf *out)
{
	for (size_t i = 0; i < ROWS; i++) {
		const char	*value = rows[i].fallback;
		const char	*quote;

		if (value == NULL)
			value = "";
		quote = strchr(value, ' ') == NULL ? "" : "\"";
		buf_printf(out, "# %s%s\n%s%s=%s%s%s\n\n",
		    rows[i].needed ? "required: " : "", rows[i].doc,
		    rows[i].needed ? "" : "#", rows[i].env, quote, value,
		    quote);
	}
}

bool
cfg_part(struct mem *m, const char *file, enum cfg_program program,
    struct buf *out, struct buf *problems)
{
	const struct row	*own = database_of(program);
	const struct row	*shared = database_of(CFG_ADMIN);
	const struct env_line	*lines[ROWS] = { NULL };

	read_file(m, file, lines, problems);
	if (lines[own - rows] != NULL && *lines[own - rows]->value != '\0')
		lines[shared - rows] = lines[own - rows];
	for (const struct row *r = rows; r < rows + ROWS; r++) {
		unsigned only = r->flags >> ONLY_SHIFT;

		if (lines[r - rows] != NULL && r != own &&
		    (only == 0 || (only & program) != 0))
			buf_printf(out, "%s=%s\n", r->env,
			    lines[r - rows]->raw);
	}
	return problems->len == 0 && buf_ok(out);
}
