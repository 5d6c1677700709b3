/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 4000

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    alignas(max_align_t) unsigned char bytes[];
};

static _Noreturn void arena_out_of_memory(void)
{
    static const char text[] = "iotifyd: out of memory\n";

    fwrite(text, 1, sizeof(text) - 1, stderr);
    _Exit(1);
}

void *memory_new(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);

    if (!memory)
        arena_out_of_memory();
    return memory;
}

void *memory_grow(void *memory, size_t count, size_t size)
{
    if (count == 0 || size == 0 || count > SIZE_MAX / size)
        arena_out_of_memory();
    memory = realloc(memory, count * size);
    if (!memory)
        arena_out_of_memory();
    return memory;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    struct arena_block *block = arena->blocks;
    size_t wanted;
    void *memory;

    if (size > SIZE_MAX / 2)
        arena_out_of_memory();
    size = (size + align - 1) / align * align;
    if (!block || block->size - block->used < size) {
        wanted = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = memory_new(1, sizeof(*block) + wanted);
        block->size = wanted;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    memory = block->bytes + block->used;
    block->used += size;
    return memory;
}

bool arena_holds(const struct arena *arena, const void *data, size_t size)
{
    uintptr_t at = (uintptr_t)data;

    for (const struct arena_block *block = arena->blocks; block; block = block->next) {
        uintptr_t begin = (uintptr_t)block->bytes;

        if (at >= begin && at - begin <= block->used)
            return size <= block->used - (at - begin);
    }
    return false;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        arena_out_of_memory();
    return arena_alloc(arena, count * size);
}

char *arena_copy(struct arena *arena, const void *data, size_t size)
{
    char *copy = arena_alloc(arena, size + 1);

    if (size)
        memcpy(copy, data, size);
    return copy;
}

char *arena_string(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text));
}

char *arena_vformat(struct arena *arena, const char *format, va_list arguments)
{
    va_list again;
    char *text;
    int size;

    va_copy(again, arguments);
    size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (size < 0)
        return arena_string(arena, format);
    text = arena_alloc(arena, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, arguments);
    return text;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = arena_vformat(arena, format, arguments);
    va_end(arguments);
    return text;
}

void arena_clear(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = arena->blocks;

    if (!kept)
        return;
    arena->blocks = kept->next;
    arena_clear(arena);
    /* arena_alloc() returns zeroed memory, so the kept block must be zero again. */
    memset(kept->bytes, 0, kept->used);
    kept->used = 0;
    kept->next = NULL;
    arena->blocks = kept;
}

void arena_wipe(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks; block; block = block->next)
        explicit_bzero(block->bytes, block->used);
    arena_clear(arena);
}
