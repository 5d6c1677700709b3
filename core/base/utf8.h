/* SPDX-License-Identifier: Apache-2.0 */
/* Validates UTF-8, and makes any bytes safe for JSON and terminals. Pure. */
#ifndef CORE_BASE_UTF8_H
#define CORE_BASE_UTF8_H

#include <stddef.h>

/*
 * The size in bytes of the UTF-8 character at `at`, of which at most `left` bytes (1 or more) may
 * be read; 0 when it is not valid.
 */
size_t utf8_size(const unsigned char *at, size_t left);

/*
 * Replace each byte that is not part of a valid UTF-8 character by `?`, such as the rest of a
 * character that was cut. In place; returns `text`.
 */
char *utf8_clean(char *text);

#endif
