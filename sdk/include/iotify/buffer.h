/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte string with a ceiling, for plugins and host alike. Part of the static library
 * `iotify-sdk`. Not safe for use by two threads at once.
 *
 * Errors are sticky: after the first append that fails (no memory, or over the ceiling) all
 * further ones do nothing and `failed` stays true, so a caller checks once at the end.
 */
#ifndef IOTIFY_BUFFER_H
#define IOTIFY_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <iotify/host.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iotify_buffer {
    char *data; /* NUL-terminated when not NULL; the NUL is not counted */
    size_t size;
    size_t capacity;
    size_t ceiling; /* most bytes in `size` */
    bool failed;
};

/* An empty buffer that holds at most `ceiling` bytes. Allocates nothing. */
void iotify_buffer_init(struct iotify_buffer *buffer, size_t ceiling);
/* Free the bytes; the buffer is empty and usable again. */
void iotify_buffer_clear(struct iotify_buffer *buffer);
/* Overwrite the bytes, then free them: for secrets. */
void iotify_buffer_wipe(struct iotify_buffer *buffer);
/* Forget the content and any failure, keep the memory. */
void iotify_buffer_reset(struct iotify_buffer *buffer);

/* Append bytes, a string, one character, a formatted text. False when the buffer has failed. */
bool iotify_buffer_append(struct iotify_buffer *buffer, const void *data, size_t size);
bool iotify_buffer_string(struct iotify_buffer *buffer, const char *text);
bool iotify_buffer_char(struct iotify_buffer *buffer, char character);
bool iotify_buffer_format(struct iotify_buffer *buffer, const char *format, ...)
    IOTIFY_PRINTF(2, 3);
bool iotify_buffer_vformat(struct iotify_buffer *buffer, const char *format, va_list arguments)
    IOTIFY_PRINTF(2, 0);

/* The content as a string, "" when empty. Owned by the buffer, valid until the next append. */
const char *iotify_buffer_text(const struct iotify_buffer *buffer);

#ifdef __cplusplus
}
#endif

#endif
