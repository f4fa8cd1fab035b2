/* SPDX-License-Identifier: ISC */
/* key: made of OpenSSL's randomness, compared in constant time. */
#include "domain/key.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "base/digest.h"
#include "base/text.h"
#include "domain/sql.h"

#include "base/banned.h"

#define ID_CHARS	8
#define SECRET_CHARS	43
#define KEY_CHARS	(3 + ID_CHARS + 1 + SECRET_CHARS)

/* One answer to whatever is no key in force. */
#define REFUSAL	"this needs an API key in force, as Authorization: Bearer tw_…"

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz";

static const struct {
	const char	*word;
	enum key_scope	 scope;
} scope_words[] = {
	{ "read", KEY_READ }, { "send", KEY_SEND }, { "watch", KEY_WATCH },
	{ "admin", KEY_ADMIN },
};

/* "read,send" -> scopes; false when a word is unknown or there is none. */
static bool
read_scopes(const char *words, unsigned *scopes)
{
	size_t n;

	*scopes = 0;
	for (const char *p = words; *p != '\0'; p += p[n] == '\0' ? n : n + 1) {
		size_t i = 0;

		n = strcspn(p, ", ");
		while (i < 4 && (strlen(scope_words[i].word) != n ||
		    memcmp(scope_words[i].word, p, n) != 0))
			i++;
		if (i == 4)
			return false;
		*scopes |= scope_words[i].scope;
	}
	return *scopes != 0;
}

/* Letters and digits, each as likely as another: bytes of 248 and above,
 * which would favour the first few, are thrown away. */
static void
random_word(char *out, size_t n)
{
	unsigned char byte;

	while (n > 0) {
		if (RAND_bytes(&byte, 1) != 1)
			abort();
		if (byte < 248) {
			*out++ = alphabet[byte % 62];
			n--;
		}
	}
}

static bool
is_shaped(const char *key)
{
	return strlen(key) == KEY_CHARS && text_starts(key, "tw_") &&
	    key[3 + ID_CHARS] == '_' &&
	    strspn(key + 3, alphabet) == ID_CHARS &&
	    strspn(key + 4 + ID_CHARS, alphabet) == SECRET_CHARS;
}

/* What claims to be a key, "" if nothing does; the scheme in any case
 * (RFC 9110). */
static const char *
key_text(const char *header)
{
	static const char scheme[] = "Bearer ";

	return header != NULL && strncasecmp(header, scheme,
	    sizeof(scheme) - 1) == 0 ? header + sizeof(scheme) - 1 : "";
}

/* What the key in force may do. Only now has it been used: to know an id is
 * not to have the key. */
static bool
admit(struct store *s, struct mem *m, const struct db_rows *row, struct key *k,
    struct err *e)
{
	const struct db_value values[] = { db_text(k->id) };

	k->user_id = db_get(row, 0, 1);
	if (!read_scopes(db_get(row, 0, 2), &k->scopes))
		return err_set(e, ERR_AUTH, REFUSAL);
	return *db_get(row, 0, 3) != 't' ||
	    sql_run(s, m, SQL_KEY_USED, values, NULL, e);
}

bool
key_check(struct store *s, struct mem *m, const char *header, struct key *k,
    struct err *e)
{
	const char	*text = key_text(header), *hash, *stored = NULL;
	struct db_rows	*rows = NULL;

	if (is_shaped(text)) {
		const struct db_value values[] = {
			db_text(k->id = mem_dup_n(m, text + 3, ID_CHARS)),
		};

		if (!sql_run(s, m, SQL_KEY, values, &rows, e))
			return false;
		if (db_count(rows) == 1)
			stored = db_get(rows, 0, 0);
	}
	/* The same work whether or not there is such a key. */
	hash = text_sha256(m, text, strlen(text));
	if (CRYPTO_memcmp(hash, stored == NULL ?
	    "----------------------------------------------------------------"
	    : stored, 2 * DIGEST_SHA256_BYTES) != 0 || stored == NULL)
		return err_set(e, ERR_AUTH, REFUSAL);
	return admit(s, m, rows, k, e);
}

static bool
is_found(struct store *s, struct mem *m, enum sql_statement which,
    const struct db_value *values, struct err *e)
{
	struct db_rows *rows;

	if (!sql_run(s, m, which, values, &rows, e))
		return false;
	return db_count(rows) != 0 ||
	    err_set(e, ERR_NOT_FOUND, "there is no such key in force");
}

/* A fresh key: its text, and the values that both statements store. */
static const char *
make(struct mem *m, struct db_value *id, struct db_value *hash)
{
	struct digest_piece	 whole;
	unsigned char		*md = mem_get(m, DIGEST_SHA256_BYTES);
	char			 word[ID_CHARS + 1] = "";
	char			 secret[SECRET_CHARS + 1] = "";
	const char		*text;

	random_word(word, ID_CHARS);
	random_word(secret, SECRET_CHARS);
	text = mem_printf(m, "tw_%s_%s", word, secret);
	explicit_bzero(secret, sizeof(secret));
	whole = (struct digest_piece){ text, strlen(text) };
	digest_sha256(md, &whole, 1);
	*id = db_text(mem_dup(m, word));
	*hash = db_bytes(md, DIGEST_SHA256_BYTES);
	return text;
}

bool
key_add(struct store *s, struct mem *m, const char *name, const char *user_id,
    const char *scopes, long days, const char **text, struct err *e)
{
	struct db_value values[6];
	unsigned	bits;

	if (!read_scopes(scopes, &bits))
		return err_set(e, ERR_INPUT,
		    "scopes are some of read,send,watch,admin");
	if (user_id == NULL && !(bits & KEY_ADMIN) &&
	    (bits & (KEY_READ | KEY_SEND)))
		return err_set(e, ERR_INPUT, "a key that is no "
		    "administrator's needs a user");
	*text = make(m, &values[0], &values[1]);
	values[2] = db_text(name);
	values[3] = db_text(user_id);
	values[4] = db_text(scopes);
	values[5] = days == 0 ? db_text(NULL) : db_number(m, days);
	return sql_run(s, m, SQL_KEY_ADD, values, NULL, e);
}

bool
key_rotate(struct store *s, struct mem *m, const char *id,
    long overlap_hours, const char **text, struct err *e)
{
	struct db_value values[4];

	*text = make(m, &values[0], &values[1]);
	values[2] = db_text(id);
	values[3] = db_number(m, overlap_hours);
	return is_found(s, m, SQL_KEY_ROTATE, values, e);
}

bool
key_revoke(struct store *s, struct mem *m, const char *id, struct err *e)
{
	const struct db_value values[] = { db_text(id) };

	return is_found(s, m, SQL_KEY_REVOKE, values, e);
}

bool
key_list(struct store *s, struct mem *m, struct key_row **out, size_t *count,
    struct err *e)
{
	struct db_rows *rows;

	if (!sql_run(s, m, SQL_KEY_LIST, NULL, &rows, e))
		return false;
	*count = db_count(rows);
	*out = mem_array(m, *count + 1, sizeof(**out));
	for (size_t i = 0; i < *count; i++)
		(*out)[i] = (struct key_row){ db_get(rows, i, 0),
		    db_get(rows, i, 1), db_get(rows, i, 2),
		    db_get(rows, i, 3), db_get(rows, i, 4),
		    db_get(rows, i, 5), db_get(rows, i, 6) };
	return true;
}
