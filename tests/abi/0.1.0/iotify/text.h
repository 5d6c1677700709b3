/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small functions on text, for plugins and the host. Part of the static library `iotify-sdk`.
 * All are pure functions: any thread, no allocation.
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
/* Write `size` bytes as 2 * size lower-case digits and a NUL; `text` needs 2 * size + 1 bytes. */
void iotify_hex_encode(const void *bytes, size_t size, char *text);
/*
 * Read exactly 2 * size digits into `size` bytes. False, with `bytes` partly written, when `text`
 * has another length or a character that is not a hexadecimal digit.
 */
bool iotify_hex_decode(const char *text, void *bytes, size_t size);

/* The 64-bit FNV-1a hash of `text`, continued from `hash`; start with IOTIFY_HASH_START. */
#define IOTIFY_HASH_START UINT64_C(14695981039346656037)
uint64_t iotify_hash(uint64_t hash, const char *text);

#ifdef __cplusplus
}
#endif

#endif
