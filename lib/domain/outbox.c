/* SPDX-License-Identifier: ISC */
/* outbox: the request as JSON to one SQL function, the outcome back. */
#include "domain/outbox.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "base/text.h"
#include "domain/sql.h"

#include "base/banned.h"

const char *
outbox_new_row(struct mem *m)
{
	unsigned char	 b[16];
	const char	*h;

	if (RAND_bytes(b, sizeof(b)) != 1)
		abort();
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);	/* RFC 4122, random */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	h = text_hex(m, b, sizeof(b));
	return mem_printf(m, "%.8s-%.4s-%.4s-%.4s-%.12s", h, h + 8, h + 12,
	    h + 16, h + 20);
}

static cJSON *
parsed(const char *json)
{
	cJSON *o = json == NULL ? cJSON_CreateObject() : cJSON_Parse(json);

	if (o == NULL)
		abort();	/* it was printed by us */
	return o;
}

static const char *
as_json(struct mem *m, const struct cfg *cfg, const struct outbox_send *s)
{
	const char	*quiet = cfg->send_quiet_hours;
	cJSON		*o = json_object(m);

	json_add_text(o, "kind", s->kind == OUTBOX_CALL ? "call" : "message");
	json_add_text(o, "row", s->row);
	json_add_text(o, "key", s->key_id);
	json_add_text(o, "user", s->user_id);
	json_add_text(o, "sender", s->sender);
	json_add_bool(o, "chosen", s->chosen);
	json_add_text(o, "recipient", s->recipient);
	json_add_text(o, "body", s->body);
	json_add(o, "metadata", parsed(s->metadata));
	json_add(o, "request", cJSON_Duplicate(s->request, true));
	json_add_text(o, "account", cfg->account_sid);
	if (s->idempotency_key != NULL)
		json_add_text(o, "idempotency_key", s->idempotency_key);
	json_add_text(o, "sha256", s->fingerprint);
	json_add_bool(o, "dry_run", s->dry_run);
	json_add_number(o, "per_day", (double)cfg->send_per_day);
	json_add_number(o, "per_key_minute",
	    (double)cfg->send_per_key_minute);
	json_add_number(o, "per_recipient_hour",
	    (double)cfg->send_per_recipient_hour);
	json_add_text(o, "zone", cfg->send_timezone);
	if (quiet != NULL) {
		json_add_text(o, "quiet_from", mem_dup_n(m, quiet, 5));
		json_add_text(o, "quiet_to", quiet + 6);
	}
	return json_print(m, o);
}

bool
outbox_begin(struct store *s, struct mem *m, const struct cfg *cfg,
    const struct outbox_send *o, struct outbox_verdict *v, struct err *e)
{
	const struct db_value	 values[] = { db_text(as_json(m, cfg, o)) };
	struct db_rows		*rows;

	if (!sql_run(s, m, SQL_SEND_BEGIN, values, &rows, e))
		return false;
	*v = (struct outbox_verdict){ db_get(rows, 0, 0), db_get(rows, 0, 1),
	    db_get(rows, 0, 2), db_get_long(rows, 0, 3),
	    db_get(rows, 0, 4) };
	return true;
}

bool
outbox_end(struct store *s, struct mem *m, const struct outbox_send *o,
    const struct outbox_result *r, struct err *e)
{
	const struct db_value values[] = {
		db_text(o->row), db_text(r->sid),
		db_text(strcmp(r->state, "sent") == 0 ? r->twilio_status :
		    r->state),
		r->error_code == 0 ? db_text(NULL) :
		    db_number(m, r->error_code),
		db_text(r->error), db_text(o->key_id),
		db_text(o->idempotency_key), db_text(r->state),
		db_number(m, r->status), db_text(r->response),
	};

	return sql_run(s, m, o->kind == OUTBOX_CALL ? SQL_CALL_ASKED :
	    SQL_TEXT_ASKED, values, NULL, e);
}

bool
outbox_request(struct store *s, struct mem *m, const char *query,
    const char **json, struct err *e)
{
	struct db_value	 values[1];
	struct db_rows	*rows;

	if (!text_starts(query, "id=") || strlen(query) != 3 + 36)
		return err_set(e, ERR_NOT_FOUND, "there is no such call");
	values[0] = db_text(query + 3);
	if (!sql_run(s, m, SQL_CALL_REQUEST, values, &rows, e))
		return false;
	if (db_count(rows) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such call");
	*json = db_get(rows, 0, 0);
	return true;
}

bool
outbox_opted_out(struct store *s, struct mem *m, const char *sender,
    const char *recipient, struct err *e)
{
	const struct db_value values[] = { db_text(sender),
	    db_text(recipient) };

	return sql_run(s, m, SQL_OPT_OUT, values, NULL, e);
}

bool
outbox_unsettled(struct store *s, struct mem *m, struct outbox_open **out,
    size_t *count, struct err *e)
{
	struct db_rows		*rows;
	struct outbox_open	*o;

	if (!sql_run(s, m, SQL_UNSETTLED, NULL, &rows, e))
		return false;
	*count = db_count(rows);
	*out = o = mem_array(m, *count + 1, sizeof(*o));
	for (size_t i = 0; i < *count; i++, o++) {
		o->kind = strcmp(db_get(rows, i, 0), "call") == 0 ?
		    OUTBOX_CALL : OUTBOX_MESSAGE;
		o->row = db_get(rows, i, 1);
		o->account_sid = db_get(rows, i, 2);
		o->sender = db_get(rows, i, 3);
		o->recipient = db_get(rows, i, 4);
		o->body = db_get(rows, i, 5);
		o->created_s = db_get_long(rows, i, 6);
		o->age_s = db_get_long(rows, i, 7);
	}
	return true;
}

bool
outbox_adopt(struct store *s, struct mem *m, enum outbox_kind kind,
    const char *row, const char *sid, const char *twilio_status, bool *fits,
    struct err *e)
{
	const struct db_value	 values[] = { db_text(row), db_text(sid),
				     db_text(twilio_status) };
	struct db_rows		*rows;

	if (!sql_run(s, m, kind == OUTBOX_CALL ? SQL_CALL_ADOPT :
	    SQL_TEXT_ADOPT, values, &rows, e))
		return false;
	*fits = db_count(rows) != 0;
	return true;
}

bool
outbox_never_sent(struct store *s, struct mem *m, enum outbox_kind kind,
    const char *row, struct err *e)
{
	const struct db_value values[] = { db_text(row) };

	return sql_run(s, m, kind == OUTBOX_CALL ? SQL_CALL_NEVER :
	    SQL_TEXT_NEVER, values, NULL, e);
}
