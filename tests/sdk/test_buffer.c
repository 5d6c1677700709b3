/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <string.h>

#include <iotify/buffer.h>

#include "core/base/arena.h"

static void grows_and_terminates(void **state)
{
    struct iotify_buffer buffer;

    (void)state;
    iotify_buffer_init(&buffer, 100000);
    assert_string_equal(iotify_buffer_text(&buffer), "");
    for (int i = 0; i < 1000; i++)
        assert_true(iotify_buffer_format(&buffer, "%03d,", i));
    assert_int_equal(buffer.size, 4000);
    assert_int_equal(strlen(iotify_buffer_text(&buffer)), 4000);
    assert_memory_equal(buffer.data + 3996, "999,", 4);
    iotify_buffer_clear(&buffer);
}

static void stops_at_the_ceiling(void **state)
{
    struct iotify_buffer buffer;

    (void)state;
    iotify_buffer_init(&buffer, 5);
    assert_true(iotify_buffer_string(&buffer, "12345"));
    assert_false(iotify_buffer_char(&buffer, '6'));
    assert_true(buffer.failed);
    /* A failed buffer stays failed: even what would fit is refused. */
    assert_false(iotify_buffer_string(&buffer, ""));
    assert_string_equal(iotify_buffer_text(&buffer), "12345");
    iotify_buffer_reset(&buffer);
    assert_true(iotify_buffer_string(&buffer, "abc"));
    iotify_buffer_clear(&buffer);
    iotify_buffer_init(&buffer, SIZE_MAX);
    assert_false(iotify_buffer_string(&buffer, "x"));
    iotify_buffer_clear(&buffer);
}

static void keeps_bytes(void **state)
{
    struct iotify_buffer buffer;

    (void)state;
    iotify_buffer_init(&buffer, 10);
    assert_true(iotify_buffer_append(&buffer, "a\0b", 3));
    assert_int_equal(buffer.size, 3);
    assert_memory_equal(buffer.data, "a\0b", 4);
    iotify_buffer_wipe(&buffer);
    assert_null(buffer.data);
}

static void arenas_hold_any_size(void **state)
{
    struct arena arena = {0};
    char *small, *large;

    (void)state;
    small = arena_alloc(&arena, 1);
    large = arena_alloc(&arena, 100000);
    assert_int_equal((uintptr_t)small % _Alignof(max_align_t), 0);
    assert_int_equal((uintptr_t)large % _Alignof(max_align_t), 0);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(large[i], 0);
    assert_string_equal(arena_format(&arena, "%s-%d", "x", 7), "x-7");
    assert_string_equal(arena_copy(&arena, "abcdef", 3), "abc");
    arena_wipe(&arena);
    assert_null(arena.blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(grows_and_terminates),
        cmocka_unit_test(stops_at_the_ceiling), cmocka_unit_test(keeps_bytes),
        cmocka_unit_test(arenas_hold_any_size)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
