/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is given back all at once. Allocation never returns NULL: when the machine is out
 * of memory the process ends with a message, before anything was acknowledged that is not stored.
 * One arena belongs to one thread at a time.
 */
#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
};

/* An arena of zeros is empty and ready. */
void arena_clear(struct arena *arena);
/* The same, but the last block is kept for what comes next. */
void arena_reset(struct arena *arena);
/* The same as arena_clear(), after overwriting everything: for arenas that held secrets. */
void arena_wipe(struct arena *arena);

/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size);
/* An array; ends the process when count * size overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* A copy of `size` bytes with a NUL behind them. */
char *arena_copy(struct arena *arena, const void *data, size_t size);
char *arena_string(struct arena *arena, const char *text);
char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vformat(struct arena *arena, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/*
 * calloc, and realloc to a size that is not 0, that end the process instead of returning NULL;
 * free() gives back.
 */
void *memory_new(size_t count, size_t size);
void *memory_grow(void *memory, size_t count, size_t size);

#endif
