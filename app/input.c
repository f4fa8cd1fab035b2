/* SPDX-License-Identifier: ISC */
/* input: one check per type of params.def. */
#include "input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "edge/fetch.h"
#include "format/phone.h"

#include "base/banned.h"

const struct input_param input_params[] = {
#define PARAM(handler, where, name, type, required, min, max, shape, doc)     \
	{ #handler, where, name, type, required, min, max, shape, doc },
#include "params.def"
#undef PARAM
};
const size_t input_count = sizeof(input_params) / sizeof(input_params[0]);

#define MAX_VALUES	16

struct input {
	struct value {
		const struct input_param *param;
		const char		 *text;
		const cJSON		 *json;
	} values[MAX_VALUES];
	size_t count;
};

static bool
bad(struct err *e, const struct input_param *p, const char *what)
{
	return err_field(e, ERR_INPUT, "invalid_value", p->name, "%s: %s",
	    p->name, what);
}

static size_t
characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static bool
check_text(struct mem *m, const struct input_param *p, const char *s,
    struct err *e)
{
	long n = (long)characters(s);

	if (n < p->min || n > p->max)
		return bad(e, p, p->min == p->max ?
		    mem_printf(m, "must have %ld characters", p->max) :
		    mem_printf(m, "must have %ld to %ld characters", p->min,
		    p->max));
	if (p->shape != NULL && !text_matches(s, p->shape))
		return bad(e, p, mem_printf(m, "must be of the form %s",
		    p->shape));
	return true;
}

static bool
check_choice(struct mem *m, const struct input_param *p, const char *s,
    struct err *e)
{
	return text_matches(s, mem_printf(m, "^(%s)$", p->shape)) ||
	    bad(e, p, mem_printf(m, "must be one of %s", p->shape));
}

/* A date, or a date and time as in RFC 3339; a '+' that the query has made a
 * blank is put right. NULL when it is no such thing. */
static const char *
read_time(struct mem *m, const char *s)
{
	char		*copy = mem_dup(m, s), *zone;
	struct tm	 tm = { 0 }, same;

	if ((zone = strrchr(copy, ' ')) != NULL && zone - copy >= 16)
		*zone = '+';
	if (!text_matches(copy, "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}"
	    "(:[0-9]{2}(\\.[0-9]{1,6})?)?"
	    "(Z|[+-](0[0-9]|1[0-5]):?[0-5][0-9])?)?$"))
		return NULL;
	if (sscanf(copy, "%4d-%2d-%2d%*c%2d:%2d:%2d", &tm.tm_year,
	    &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
	    &tm.tm_sec) < 3 || tm.tm_year == 0)
		return NULL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	same = tm;
	(void)timegm(&same);	/* puts right what is not in the calendar */
	return same.tm_year == tm.tm_year && same.tm_mon == tm.tm_mon &&
	    same.tm_mday == tm.tm_mday && same.tm_hour == tm.tm_hour &&
	    same.tm_min == tm.tm_min && same.tm_sec == tm.tm_sec ? copy : NULL;
}

/* A value that came as text: from the query, the path, or a JSON string. */
static bool
check(struct mem *m, const struct input_param *p, const char *s,
    const char **out, struct err *e)
{
	long v;

	*out = s;
	switch (p->type) {
	case TEXT:
		return check_text(m, p, s, e);
	case PHONE:
		*out = phone_to_e164(m, s);
		return *out != NULL || bad(e, p, "must be a phone number in "
		    "E.164 form, such as +15551230001");
	case PARTY:
		if (phone_to_e164(m, s) != NULL) {
			*out = phone_to_e164(m, s);
			return true;
		}
		return check_text(m, p, s, e);
	case INTEGER:
		return text_to_long(s, p->min, p->max, &v) ||
		    bad(e, p, mem_printf(m, "must be a whole number from %ld "
		    "to %ld", p->min, p->max));
	case BOOLEAN:
		return text_matches(s, "^(true|false|1|0)$") ||
		    bad(e, p, "must be true or false");
	case CHOICE:
		return check_choice(m, p, s, e);
	case TIME:
		*out = read_time(m, s);
		return *out != NULL || bad(e, p, "must be a date or a time "
		    "such as 2026-01-31T12:00:00Z");
	case ID:
		return phone_is_sid(s, p->shape) || text_is_uuid(s) ||
		    bad(e, p, mem_printf(m, "must be a SID (%s and 32 hex "
		    "digits) or an id", p->shape));
	default:
		return bad(e, p, "cannot be given here");
	}
}

static bool
check_urls(struct mem *m, const struct input_param *p, const cJSON *list,
    struct err *e)
{
	const cJSON	*item;
	int		 n = cJSON_GetArraySize(list);

	if (!cJSON_IsArray(list) || n < 1 || n > p->max)
		return bad(e, p, mem_printf(m, "must be a list of 1 to %ld "
		    "URLs", p->max));
	cJSON_ArrayForEach(item, list)
		if (!cJSON_IsString(item) || strlen(item->valuestring) > 2048 ||
		    !text_matches(item->valuestring, "^https://[^ ]+$"))
			return bad(e, p, "must hold https URLs");
	return true;
}

/* A member of the JSON body. */
static bool
check_json(struct mem *m, const struct input_param *p, const cJSON *json,
    const char **out, struct err *e)
{
	switch (p->type) {
	case OBJECT:
		*out = json_print(m, json);
		return (cJSON_IsObject(json) && strlen(*out) <=
		    (size_t)p->max) || bad(e, p, mem_printf(m, "must be an "
		    "object of at most %ld bytes", p->max));
	case URLS:
		*out = json_print(m, json);
		return check_urls(m, p, json, e);
	case BOOLEAN:
		*out = cJSON_IsTrue(json) ? "true" : "false";
		return cJSON_IsBool(json) ||
		    bad(e, p, "must be true or false");
	case INTEGER:
		if (!cJSON_IsNumber(json))
			return bad(e, p, "must be a number");
		return check(m, p, json_print(m, json), out, e);
	default:
		if (!cJSON_IsString(json))
			return bad(e, p, "must be a string");
		return check(m, p, json->valuestring, out, e);
	}
}

static const struct input_param *
param_of(const char *handler, enum input_where where, const char *name)
{
	for (size_t i = 0; i < input_count; i++)
		if (input_params[i].where == where &&
		    strcmp(input_params[i].handler, handler) == 0 &&
		    strcmp(input_params[i].name, name) == 0)
			return &input_params[i];
	return NULL;
}

/* The place for a named value, or false: unknown, or given twice. */
static bool
place(struct input *in, const char *handler, enum input_where where,
    const char *name, struct value **v, struct err *e)
{
	const struct input_param *p = param_of(handler, where, name);

	if (p == NULL)
		return err_field(e, ERR_INPUT, "unknown_field", name,
		    "this field is not known here");	/* logged: no name */
	for (size_t i = 0; i < in->count; i++)
		if (in->values[i].param == p)
			return bad(e, p, "was given twice");
	if (in->count == MAX_VALUES)
		abort();	/* a table with more columns than places */
	*v = &in->values[in->count++];
	(*v)->param = p;
	return true;
}

static bool
read_query(struct request *q, const char *handler, struct err *e)
{
	struct form	*form;
	struct value	*v;

	if (!form_parse(&form, q->m, q->http.query, strlen(q->http.query), e))
		return false;
	for (size_t i = 0; i < form->count; i++) {
		const struct form_pair *pair = &form->pairs[i];

		if (pair->name_bytes == 0)
			continue;
		if (!text_is_utf8(pair->name, pair->name_bytes))
			return err_set(e, ERR_INPUT, "the query is not UTF-8");
		if (!place(q->input, handler, QUERY, pair->name, &v, e))
			return false;
		if (!text_is_utf8(pair->value, pair->value_bytes))
			return bad(e, v->param, "must be UTF-8, without NUL");
		if (!check(q->m, v->param, pair->text, &v->text, e))
			return false;
	}
	return true;
}

static bool
read_json(struct request *q, const char *handler, struct err *e)
{
	struct value	*v;
	const cJSON	*item;
	cJSON		*root;

	if (!json_parse(&root, q->m, q->http.body, q->http.body_bytes, e))
		return false;
	if (!cJSON_IsObject(root))
		return err_set(e, ERR_INPUT, "the body must be a JSON object");
	cJSON_ArrayForEach(item, root) {
		if (cJSON_IsNull(item))
			continue;	/* as if it were not there */
		if (!place(q->input, handler, BODY, item->string, &v, e) ||
		    !check_json(q->m, v->param, item, &v->text, e))
			return false;
		v->json = item;
	}
	return true;
}

static bool
has_required(struct request *q, const char *handler, struct err *e)
{
	for (size_t i = 0; i < input_count; i++)
		if (input_params[i].required &&
		    strcmp(input_params[i].handler, handler) == 0 &&
		    input_text(q, input_params[i].name) == NULL)
			return err_field(e, ERR_INPUT, "missing_field",
			    input_params[i].name, "%s is required",
			    input_params[i].name);
	return true;
}

bool
input_read(struct request *q, const char *handler, bool json, struct err *e)
{
	struct value *v;

	q->input = mem_get(q->m, sizeof(*q->input));
	for (size_t i = 0; i < input_count; i++) {
		const struct input_param *p = &input_params[i];

		if (p->where == PATH && strcmp(p->handler, handler) == 0 &&
		    (!place(q->input, handler, PATH, p->name, &v, e) ||
		    !check(q->m, p, q->path_value, &v->text, e)))
			return false;
	}
	return read_query(q, handler, e) &&
	    (!json || read_json(q, handler, e)) && has_required(q, handler, e);
}

static const struct value *
find(const struct request *q, const char *name)
{
	for (size_t i = 0; i < q->input->count; i++)
		if (strcmp(q->input->values[i].param->name, name) == 0)
			return &q->input->values[i];
	return NULL;
}

const char *
input_text(const struct request *q, const char *name)
{
	const struct value *v = find(q, name);

	return v == NULL ? NULL : v->text;
}

long
input_long(const struct request *q, const char *name, long fallback)
{
	const char	*s = input_text(q, name);
	long		 v;

	return s != NULL && text_to_long(s, -(1L << 62), 1L << 62, &v) ? v :
	    fallback;
}

bool
input_bool(const struct request *q, const char *name)
{
	const char *s = input_text(q, name);

	return s != NULL && (*s == 't' || *s == '1');
}

const cJSON *
input_list(const struct request *q, const char *name)
{
	const struct value *v = find(q, name);

	return v == NULL ? NULL : v->json;
}

void
input_link(const struct request *q, const char *cursor, struct buf *out)
{
	for (size_t i = 0; i < q->input->count; i++) {
		const struct value *v = &q->input->values[i];

		if (v->param->where == QUERY &&
		    strcmp(v->param->name, "cursor") != 0)
			fetch_encode(out, v->param->name, v->text);
	}
	fetch_encode(out, "cursor", cursor);
}
