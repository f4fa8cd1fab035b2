/* SPDX-License-Identifier: ISC */
/* text: bytes to and from the encodings every floor needs: UTF-8 repair,
 * hex, base64 (OpenSSL's), numbers. Pure. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* True if s is well-formed UTF-8 without NUL (RFC 3629: no overlong forms,
 * no surrogates, nothing above U+10FFFF): what PostgreSQL's text accepts. */
bool	 text_is_utf8(const char *s, size_t n);

/* A NUL-terminated copy in which every bad byte and every NUL has become
 * U+FFFD, so that nothing a caller wrote is refused by the database. */
char	*text_to_utf8(struct mem *, const char *s, size_t n);

/* The first max_chars characters, never half of one. */
char	*text_cut(struct mem *, const char *s, size_t max_chars);

char	*text_hex(struct mem *, const void *p, size_t n);	/* lower case */
char	*text_sha256(struct mem *, const void *p, size_t n);	/* in hex */
char	*text_base64(struct mem *, const void *p, size_t n);

/* v in decimal, somewhere in room: what a number of a webhook's answer and of
 * its log line costs by printf() is more than all else in them. */
#define TEXT_DECIMAL_BYTES	24
const char *text_decimal(char room[TEXT_DECIMAL_BYTES], unsigned long v);

/* Strict decimal: optional '-', digits, nothing else, within [min, max]. */
bool	 text_to_long(const char *s, long min, long max, long *out);

/* How many bytes of s are letters or digits of ASCII, or one of others. For so
 * many strspn() makes a table of 256 first. */
size_t	 text_span(const char *s, const char *others);

bool	 text_starts(const char *s, const char *prefix);
/* 8-4-4-4-12 hex digits, lower case, as PostgreSQL prints them. */
bool	 text_is_uuid(const char *s);
bool	 text_ends(const char *s, const char *suffix);
/* Cuts the line at *p at its newline and moves *p behind it; NULL when none
 * ends before end. */
char	*text_take_line(char **p, const char *end);

/* True if the POSIX extended regex, one of our own, matches. */
bool	 text_matches(const char *s, const char *pattern);

#endif
