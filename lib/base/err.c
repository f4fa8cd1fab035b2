/* SPDX-License-Identifier: ISC */
/* err: the one table of kinds and the setters. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

static const struct {
	int		 http;
	bool		 retry;
	const char	*code;
} kinds[] = {
#define X(kind, http, retry, code) { http, retry, code },
	ERR_KINDS(X)
#undef X
};

/* Not the whole of it: a request that goes well has several. */
void
err_clear(struct err *e)
{
	e->kind = ERR_NONE;
	e->retry_after_s = 0;
	e->code[0] = e->field[0] = e->text[0] = '\0';
}

bool
err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	err_clear(e);
	e->kind = kind;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return false;
}

bool
err_field(struct err *e, enum err_kind kind, const char *code,
    const char *field, const char *fmt, ...)
{
	va_list ap;

	err_clear(e);
	e->kind = kind;
	(void)snprintf(e->code, sizeof(e->code), "%s", code);
	(void)snprintf(e->field, sizeof(e->field), "%s", field);
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return false;
}

bool
err_sys(struct err *e, const char *fmt, ...)
{
	int	saved = errno;
	va_list	ap;
	size_t	n;

	err_clear(e);
	e->kind = ERR_SYSTEM;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	(void)snprintf(e->text + n, sizeof(e->text) - n, ": %s",
	    strerror(saved));
	return false;
}

int
err_http(enum err_kind kind)
{
	return kinds[kind].http;
}

bool
err_retryable(enum err_kind kind)
{
	return kinds[kind].retry;
}

const char *
err_code(const struct err *e)
{
	return e->code[0] != '\0' ? e->code : kinds[e->kind].code;
}
