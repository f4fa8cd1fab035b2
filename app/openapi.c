/* SPDX-License-Identifier: ISC */
/* openapi: the JSON API described by the tables that run it: paths and
 * answers from routes.def, parameters from params.def, results from
 * results.def. */
#include "route.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "format/json.h"
#include "input.h"

#include "base/banned.h"

/* Arrays, no pointers: those are relocated at start, in each worker, and then
 * what they stand in is not shared. */
static const struct {
	char	schema[16], name[24], type[20], doc[88];
} results[] = {
#define RESULT(schema, name, type, doc) { #schema, name, type, doc },
#include "results.def"
#undef RESULT
};

/* What an answer is: a schema as a member of the envelope, or by itself.
 * status 0: every 2xx that is not listed. */
static const struct carried {
	const char	*handler;
	int		 status;
	const char	*member, *schema;
	bool		 list;
} carries[] = {
	{ "call_make", 200, NULL, "DryRun", false },
	{ "sms_send", 200, NULL, "DryRun", false },
	{ "call_make", 0, "call", "Call", false },
	{ "sms_send", 0, "message", "Message", false },
	{ "call_list", 0, "calls", "Call", true },
	{ "sms_list", 0, "messages", "Message", true },
	{ "call_show", 0, "call", "Call", false },
	{ "sms_show", 0, "message", "Message", false },
	{ "recording_show", 0, "recording", "Recording", false },
	{ "transcription_show", 0, "transcription", "Transcription", false },
	{ "openapi_show", 0, NULL, NULL, false },
	{ "health_alive", 0, NULL, "Alive", false },
	{ "health_ready", 0, NULL, "Ready", false },
	{ "health_ready", 503, NULL, "Ready", false },
};

static const struct {
	int	status;
	char	meaning[112];
} meanings[] = {
	{ 200, "Here it is." }, { 201, "Twilio has taken it." },
	{ 202, "Twilio was asked, but whether it took it is not known yet; "
	    "it will not be sent again. The row tells later." },
	{ 400, "Something in the request is wrong; field says what." },
	{ 401, "No valid API key." },
	{ 403, "The key, or a rule, does not allow it." },
	{ 404, "There is no such thing, or it is somebody else's." },
	{ 405, "The path answers another method." },
	{ 413, "The body is too large." },
	{ 415, "The body is of another type." },
	{ 422, "The Idempotency-Key was used for another request, or Twilio "
	    "refused this one." },
	{ 429, "Too many; Retry-After says when to come back." },
	{ 503, "A part of the service is away; try again." },
};

static cJSON *
object(void)
{
	return cJSON_CreateObject();
}

static cJSON *
typed(const char *type)
{
	cJSON *o = object();

	json_add_text(o, "type", type);
	return o;
}

static cJSON *
reference(const char *schema, struct mem *m)
{
	cJSON *o = object();

	json_add_text(o, "$ref", mem_printf(m, "#/components/schemas/%s",
	    schema));
	return o;
}

static void
push(cJSON *list, cJSON *item)
{
	json_add(list, NULL, item);
}

/* A word of results.def: a type of JSON, or one of our schemas. */
static cJSON *
word_type(struct mem *m, const char *word)
{
	return isupper((unsigned char)word[0]) ? reference(word, m) :
	    typed(word);
}

/* "string?" may be null, "[Call]" is a list, "A|B" one or the other: in
 * OpenAPI a list of types, or of schemas as soon as one has a name. */
static cJSON *
result_type(struct mem *m, const char *type)
{
	bool		 named = false;
	cJSON		*o, *any;
	const char	*word;
	size_t		 n;

	if (type[0] == '[') {
		o = typed("array");
		json_add(o, "items", word_type(m, mem_dup_n(m, type + 1,
		    strlen(type) - 2)));
		return o;
	}
	if (type[strcspn(type, "?|")] == '\0')
		return word_type(m, type);
	for (const char *s = type; *s != '\0'; s++)
		named |= isupper((unsigned char)*s) != 0;
	o = object();
	any = cJSON_CreateArray();
	json_add(o, named ? "anyOf" : "type", any);
	for (const char *s = type; *s != '\0'; s += n) {
		n = *s == '?' ? 1 : strcspn(s, "?|");
		word = *s == '?' ? "null" : mem_dup_n(m, s, n);
		push(any, named ? word_type(m, word) :
		    cJSON_CreateString(word));
		n += s[n] == '|';
	}
	return o;
}

static cJSON *
schemas(struct mem *m)
{
	cJSON *all = object(), *schema = NULL, *props = NULL, *o;

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		if (i == 0 || strcmp(results[i].schema,
		    results[i - 1].schema) != 0) {
			schema = typed("object");
			props = object();
			json_add(schema, "properties", props);
			json_add(all, results[i].schema, schema);
		}
		o = result_type(m, results[i].type);
		json_add_text(o, "description", results[i].doc);
		json_add(props, results[i].name, o);
	}
	return all;
}

static cJSON *
param_schema(struct mem *m, const struct input_param *p)
{
	static const char *const types[] = { [TEXT] = "string",
	    [PHONE] = "string", [PARTY] = "string", [INTEGER] = "integer",
	    [BOOLEAN] = "boolean", [CHOICE] = "string", [OBJECT] = "object",
	    [URLS] = "array", [TIME] = "string", [ID] = "string" };
	cJSON	*o = typed(types[p->type]), *list;
	size_t	 n;

	if (p->type == INTEGER) {
		json_add_number(o, "minimum", (double)p->min);
		json_add_number(o, "maximum", (double)p->max);
	} else if (p->type == TEXT || p->type == PARTY) {
		json_add_number(o, "minLength", (double)p->min);
		json_add_number(o, "maxLength", (double)p->max);
		if (p->shape != NULL)
			json_add_text(o, "pattern", p->shape);
	} else if (p->type == URLS) {
		json_add(o, "items", typed("string"));
		json_add_number(o, "maxItems", (double)p->max);
	} else if (p->type == CHOICE) {
		list = cJSON_CreateArray();
		for (const char *s = p->shape; *s != '\0';
		    s += s[n] == '\0' ? n : n + 1) {
			n = strcspn(s, "|");
			push(list, cJSON_CreateString(mem_dup_n(m, s, n)));
		}
		json_add(o, "enum", list);
	}
	return o;
}

/* The members of a JSON body, as one schema; NULL when it takes none. */
static cJSON *
body_schema(struct mem *m, const char *handler)
{
	cJSON *o = typed("object"), *props = object(), *item;
	cJSON *required = cJSON_CreateArray();

	for (size_t i = 0; i < input_count; i++) {
		const struct input_param *p = &input_params[i];

		if (p->where != BODY || strcmp(p->handler, handler) != 0)
			continue;
		item = param_schema(m, p);
		json_add_text(item, "description", p->doc);
		json_add(props, p->name, item);
		if (p->required)
			push(required, cJSON_CreateString(p->name));
	}
	json_add(o, "properties", props);
	json_add(o, "required", required);
	json_add_bool(o, "additionalProperties", false);
	return o;
}

static cJSON *
parameters(struct mem *m, const struct route *row)
{
	cJSON *list = cJSON_CreateArray(), *o;

	for (size_t i = 0; i < input_count; i++) {
		const struct input_param *p = &input_params[i];

		if (p->where == BODY || strcmp(p->handler, row->name) != 0)
			continue;
		o = object();
		json_add_text(o, "name", p->name);
		json_add_text(o, "in", p->where == PATH ? "path" : "query");
		json_add_bool(o, "required", p->required);
		json_add_text(o, "description", p->doc);
		json_add(o, "schema", param_schema(m, p));
		push(list, o);
	}
	if (row->auth == SEND) {
		o = object();
		json_add_text(o, "name", "Idempotency-Key");
		json_add_text(o, "in", "header");
		json_add_bool(o, "required", false);
		json_add_text(o, "description", "a word of your own; the same "
		    "request with the same word is carried out once");
		json_add(o, "schema", typed("string"));
		push(list, o);
	}
	return list;
}

static const struct carried *
carried_by(const struct route *row, int status)
{
	const struct carried *found = NULL;

	for (size_t i = 0; i < sizeof(carries) / sizeof(carries[0]); i++) {
		const struct carried *c = &carries[i];

		if (strcmp(c->handler, row->name) != 0)
			continue;
		if (c->status == status)
			return c;
		if (c->status == 0 && status < 300)
			found = c;
	}
	return found;
}

static cJSON *
answer_schema(struct mem *m, const struct route *row, int status)
{
	const struct carried	*c = carried_by(row, status);
	cJSON			*o, *props, *list;

	if (status >= 400) {
		o = reference("Error", m);
		if (c == NULL)
			return o;
		list = cJSON_CreateArray();
		push(list, reference(c->schema, m));
		push(list, o);
		o = object();
		json_add(o, "anyOf", list);
		return o;
	}
	if (c != NULL && c->member == NULL)
		return c->schema == NULL ? typed("object") :
		    reference(c->schema, m);
	o = typed("object");
	props = object();
	json_add(props, "success", typed("boolean"));
	if (c != NULL && c->list) {
		list = typed("array");
		json_add(list, "items", reference(c->schema, m));
		json_add(props, c->member, list);
		json_add(props, "next", result_type(m, "string?"));
	} else if (c != NULL) {
		json_add(props, c->member, reference(c->schema, m));
	}
	json_add(o, "properties", props);
	return o;
}

static cJSON *
content(const char *type, cJSON *schema)
{
	cJSON *o = object(), *media = object();

	json_add(media, "schema", schema);
	json_add(o, type, media);
	return o;
}

static cJSON *
answers(struct mem *m, const struct route *row)
{
	cJSON	*all = object(), *o;
	int	 status, k;

	for (const char *s = row->answers; sscanf(s, "%d%n", &status, &k) == 1;
	    s += k) {
		o = object();
		for (size_t i = 0; i < sizeof(meanings) /
		    sizeof(meanings[0]); i++)
			if (meanings[i].status == status)
				json_add_text(o, "description",
				    meanings[i].meaning);
		if (strcmp(row->path, "/metrics") == 0 && status == 200)
			json_add(o, "content", content("text/plain",
			    typed("string")));
		else
			json_add(o, "content", content("application/json",
			    answer_schema(m, row, status)));
		json_add(all, mem_printf(m, "%d", status), o);
	}
	return all;
}

static cJSON *
operation(struct mem *m, const struct route *row)
{
	cJSON *o = object(), *body, *list, *need;

	json_add_text(o, "operationId", row->name);
	json_add_text(o, "summary", row->doc);
	json_add(o, "parameters", parameters(m, row));
	if (row->body == BODY_JSON) {
		body = object();
		json_add_bool(body, "required", true);
		json_add(body, "content", content("application/json",
		    body_schema(m, row->name)));
		json_add(o, "requestBody", body);
	}
	json_add(o, "responses", answers(m, row));
	list = cJSON_CreateArray();
	if (row->auth != NONE) {
		need = object();
		json_add(need, "key", cJSON_CreateArray());
		push(list, need);
	}
	json_add(o, "security", list);
	return o;
}

bool
openapi_show(struct app *app, struct request *q, struct http_response *r,
    struct err *e)
{
	cJSON *root = json_object(q->m), *paths = object(), *o, *list;

	(void)e;
	json_add_text(root, "openapi", "3.1.0");
	o = object();
	json_add_text(o, "title", "ringback");
	json_add_text(o, "version", VERSION);
	json_add_text(o, "summary", "calls, texts, recordings and transcripts "
	    "of your Twilio numbers");
	list = object();
	json_add_text(list, "name", "ISC");
	json_add_text(list, "identifier", "ISC");
	json_add(o, "license", list);
	json_add(root, "info", o);
	list = cJSON_CreateArray();
	o = object();
	json_add_text(o, "url", app->cfg->webhook_base);
	push(list, o);
	json_add(root, "servers", list);
	json_add(root, "paths", paths);
	for (size_t i = 0; i < route_count; i++) {
		if (route_rows[i].pool != CFG_API)
			continue;
		o = object();
		json_add(o, strcmp(route_rows[i].method, "GET") == 0 ? "get" :
		    "post", operation(q->m, &route_rows[i]));
		json_add(paths, route_rows[i].path, o);
	}
	o = object();
	json_add(o, "schemas", schemas(q->m));
	list = object();
	json_add(list, "key", typed("http"));
	json_add_text(cJSON_GetObjectItem(list, "key"), "scheme", "bearer");
	json_add(o, "securitySchemes", list);
	json_add(root, "components", o);
	r->type = "application/json";
	buf_printf(r->body, "%s\n", json_print(q->m, root));
	return true;
}
