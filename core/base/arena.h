/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena allocates memory that is freed all at once. Allocation never returns NULL: when memory
 * runs out, the process prints an error and exits with status 1. An arena is not thread-safe: one
 * thread uses it at a time.
 */
#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
};

/* A zero-initialised arena is empty and ready to use. arena_clear() frees everything. */
void arena_clear(struct arena *arena);
/* As arena_clear(), but keeps the newest block for the next allocations. */
void arena_reset(struct arena *arena);
/* As arena_clear(), but overwrites the memory with zeros first: for arenas that hold secrets. */
void arena_wipe(struct arena *arena);

/* Does the memory from `data` on lie in the arena? */
bool arena_holds(const struct arena *arena, const void *data, size_t size);

/* Zeroed memory, aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size);
/* A zeroed array of `count` elements of `size` bytes; exits when the product overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* Copy `size` bytes and append a NUL. */
char *arena_copy(struct arena *arena, const void *data, size_t size);
char *arena_string(struct arena *arena, const char *text);
char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vformat(struct arena *arena, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/*
 * calloc() and realloc() that exit the process instead of returning NULL. memory_grow() does not
 * zero the new part; its size must not be 0. The caller frees with free().
 */
void *memory_new(size_t count, size_t size);
void *memory_grow(void *memory, size_t count, size_t size);

#endif
