/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small functions on text, for plugins and host alike. Part of the static library `iotify-sdk`.
 * All are pure: any thread, no allocation.
 */
#ifndef IOTIFY_TEXT_H
#define IOTIFY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The value of a hexadecimal digit, upper or lower case; -1 for any other character. */
int iotify_hex_digit(char character);
/* `size` bytes as 2 * size lower-case digits and a NUL; `text` has room for 2 * size + 1. */
void iotify_hex_encode(const void *bytes, size_t size, char *text);
/*
 * Exactly 2 * size digits into `size` bytes. False, with `bytes` partly written, when `text` is
 * shorter or longer, or holds another character.
 */
bool iotify_hex_decode(const char *text, void *bytes, size_t size);

/* FNV-1a of a text, 64 bits, continued from `hash`: start with IOTIFY_HASH_START. */
#define IOTIFY_HASH_START UINT64_C(14695981039346656037)
uint64_t iotify_hash(uint64_t hash, const char *text);

#ifdef __cplusplus
}
#endif

#endif
