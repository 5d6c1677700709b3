/* SPDX-License-Identifier: Apache-2.0 */
/* Validates UTF-8, and makes foreign texts safe for JSON and terminals. Pure. */
#ifndef CORE_BASE_UTF8_H
#define CORE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The size in bytes of the UTF-8 character at `at`, of which at most `left` bytes (1 or more) may
 * be read; 0 when it is not valid.
 */
size_t utf8_size(const unsigned char *at, size_t left);

/*
 * Replace by `?` each byte that is not part of a valid UTF-8 character, such as the rest of a
 * character that was cut, and each character that terminals obey or that reorders what is read:
 * DEL, U+0080 to U+009F, marks of direction. Other controls are left to the caller. In place;
 * returns `text`.
 */
char *utf8_clean(char *text);
/* True when it is valid and has no control or mark of direction at all: a name can be printed. */
bool utf8_is_plain(const char *text);
/* The same of a name in a job file, which has 1 to UTF8_NAME_MAX bytes. */
#define UTF8_NAME_MAX 100
bool utf8_is_name(const char *text);

#endif
