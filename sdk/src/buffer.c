/* SPDX-License-Identifier: Apache-2.0 */
#include <iotify/buffer.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void iotify_buffer_init(struct iotify_buffer *buffer, size_t ceiling)
{
    *buffer = (struct iotify_buffer){.ceiling = ceiling};
}

void iotify_buffer_clear(struct iotify_buffer *buffer)
{
    free(buffer->data);
    iotify_buffer_init(buffer, buffer->ceiling);
}

void iotify_buffer_wipe(struct iotify_buffer *buffer)
{
    if (buffer->data)
        explicit_bzero(buffer->data, buffer->capacity);
    iotify_buffer_clear(buffer);
}

void iotify_buffer_reset(struct iotify_buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = false;
    if (buffer->data)
        buffer->data[0] = '\0';
}

/* Make room for `size` more bytes and the terminating NUL. */
static bool buffer_reserve(struct iotify_buffer *buffer, size_t size)
{
    size_t capacity, needed;
    char *data;

    if (buffer->failed)
        return false;
    if (size > buffer->ceiling || buffer->size > buffer->ceiling - size ||
        buffer->ceiling > SIZE_MAX / 4) {
        buffer->failed = true;
        return false;
    }
    needed = buffer->size + size + 1;
    if (needed <= buffer->capacity)
        return true;
    capacity = buffer->capacity ? buffer->capacity * 2 : 64;
    if (capacity < needed)
        capacity = needed;
    /* Not realloc(): it may leave a copy of the bytes, which may be secret, in freed memory. */
    data = malloc(capacity);
    if (!data) {
        buffer->failed = true;
        return false;
    }
    if (buffer->data) {
        memcpy(data, buffer->data, buffer->size + 1);
        explicit_bzero(buffer->data, buffer->capacity);
        free(buffer->data);
    } else {
        data[0] = '\0';
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool iotify_buffer_append(struct iotify_buffer *buffer, const void *data, size_t size)
{
    if (!buffer_reserve(buffer, size))
        return false;
    if (size)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
    return true;
}

bool iotify_buffer_string(struct iotify_buffer *buffer, const char *text)
{
    return iotify_buffer_append(buffer, text, strlen(text));
}

bool iotify_buffer_char(struct iotify_buffer *buffer, char character)
{
    return iotify_buffer_append(buffer, &character, 1);
}

bool iotify_buffer_vformat(struct iotify_buffer *buffer, const char *format, va_list arguments)
{
    va_list again;
    int size;

    va_copy(again, arguments);
    size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (size < 0) {
        buffer->failed = true;
        return false;
    }
    if (!buffer_reserve(buffer, (size_t)size))
        return false;
    vsnprintf(buffer->data + buffer->size, (size_t)size + 1, format, arguments);
    buffer->size += (size_t)size;
    return true;
}

bool iotify_buffer_format(struct iotify_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    bool done;

    va_start(arguments, format);
    done = iotify_buffer_vformat(buffer, format, arguments);
    va_end(arguments);
    return done;
}

const char *iotify_buffer_text(const struct iotify_buffer *buffer)
{
    return buffer->data ? buffer->data : "";
}
