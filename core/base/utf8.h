/* SPDX-License-Identifier: Apache-2.0 */
/* Is it UTF-8, and foreign bytes made fit for JSON and terminals. Pure. */
#ifndef CORE_BASE_UTF8_H
#define CORE_BASE_UTF8_H

#include <stddef.h>

/* The bytes of the character at `at`, of which `left` can be read; 0 when it is none. */
size_t utf8_size(const unsigned char *at, size_t left);

/*
 * Put `?` in the place of every byte that is no part of a UTF-8 character, such as those of one
 * that was cut in the middle. In place; returns `text`.
 */
char *utf8_clean(char *text);

#endif
