/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte string with a size limit, for plugins and the host. Part of the static library
 * `iotify-sdk`. Not thread-safe: one thread at a time may use a buffer.
 *
 * Errors are sticky: after an append that fails (no memory, or over the limit) all further appends
 * do nothing and `failed` stays true, so that the caller can check once at the end.
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
    size_t ceiling; /* maximum of `size` */
    bool failed;
};

/* Initialise an empty buffer for at most `ceiling` bytes. Allocates nothing. */
void iotify_buffer_init(struct iotify_buffer *buffer, size_t ceiling);
/* Free the memory. The buffer is empty, without an error, and can be used again. */
void iotify_buffer_clear(struct iotify_buffer *buffer);
/* Overwrite the memory before freeing it: for secrets. Otherwise as iotify_buffer_clear(). */
void iotify_buffer_wipe(struct iotify_buffer *buffer);
/* Empty the buffer and clear its error, but keep the memory. The bytes are not overwritten. */
void iotify_buffer_reset(struct iotify_buffer *buffer);

/*
 * Append `size` bytes, a string, one character, or a formatted text. Growing overwrites the old
 * memory. False when the buffer has failed, now or before; its content is then unchanged.
 */
bool iotify_buffer_append(struct iotify_buffer *buffer, const void *data, size_t size);
bool iotify_buffer_string(struct iotify_buffer *buffer, const char *text);
bool iotify_buffer_char(struct iotify_buffer *buffer, char character);
bool iotify_buffer_format(struct iotify_buffer *buffer, const char *format, ...)
    IOTIFY_PRINTF(2, 3);
bool iotify_buffer_vformat(struct iotify_buffer *buffer, const char *format, va_list arguments)
    IOTIFY_PRINTF(2, 0);

/* The content as a string, "" when empty. Owned by the buffer, valid until its next change. */
const char *iotify_buffer_text(const struct iotify_buffer *buffer);

#ifdef __cplusplus
}
#endif

#endif
