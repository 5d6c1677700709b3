/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of writes, alone and in batches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/storage_internal.h"

/* ------------------------------------------------------------------ the rules of a write */

const struct storage_rule storage_rules[] = {
    {"put, absent", IOTIFY_WRITE_PUT, NULL, "new", NULL, IOTIFY_RESULT_OK, "new"},
    {"put, present", IOTIFY_WRITE_PUT, "old", "new", NULL, IOTIFY_RESULT_OK, "new"},
    {"put, the same value", IOTIFY_WRITE_PUT, "old", "old", NULL, IOTIFY_RESULT_OK, "old"},
    {"put, an empty value", IOTIFY_WRITE_PUT, "old", "", NULL, IOTIFY_RESULT_OK, ""},
    {"create, absent", IOTIFY_WRITE_CREATE, NULL, "new", NULL, IOTIFY_RESULT_OK, "new"},
    {"create, present", IOTIFY_WRITE_CREATE, "old", "new", NULL, IOTIFY_RESULT_EXISTS, "old"},
    {"create, present with an empty value", IOTIFY_WRITE_CREATE, "", "new", NULL,
        IOTIFY_RESULT_EXISTS, ""},
    {"compare and set, absent", IOTIFY_WRITE_COMPARE_AND_SET, NULL, "new", "old",
        IOTIFY_RESULT_CONFLICT, NULL},
    {"compare and set, equal", IOTIFY_WRITE_COMPARE_AND_SET, "old", "new", "old", IOTIFY_RESULT_OK,
        "new"},
    {"compare and set, different", IOTIFY_WRITE_COMPARE_AND_SET, "old", "new", "older",
        IOTIFY_RESULT_CONFLICT, "old"},
    {"compare and set, a prefix of the value", IOTIFY_WRITE_COMPARE_AND_SET, "old", "new", "ol",
        IOTIFY_RESULT_CONFLICT, "old"},
    {"compare and set, both empty", IOTIFY_WRITE_COMPARE_AND_SET, "", "new", "", IOTIFY_RESULT_OK,
        "new"},
    {"compare and set, empty expected, absent", IOTIFY_WRITE_COMPARE_AND_SET, NULL, "new", "",
        IOTIFY_RESULT_CONFLICT, NULL},
    {"compare and set, empty expected, present", IOTIFY_WRITE_COMPARE_AND_SET, "old", "new", "",
        IOTIFY_RESULT_CONFLICT, "old"},
    {"delete, absent", IOTIFY_WRITE_DELETE, NULL, NULL, NULL, IOTIFY_RESULT_OK, NULL},
    {"delete, present", IOTIFY_WRITE_DELETE, "old", NULL, NULL, IOTIFY_RESULT_OK, NULL},
    {"compare and delete, absent", IOTIFY_WRITE_COMPARE_AND_DELETE, NULL, NULL, "old",
        IOTIFY_RESULT_CONFLICT, NULL},
    {"compare and delete, equal", IOTIFY_WRITE_COMPARE_AND_DELETE, "old", NULL, "old",
        IOTIFY_RESULT_OK, NULL},
    {"compare and delete, different", IOTIFY_WRITE_COMPARE_AND_DELETE, "old", NULL, "new",
        IOTIFY_RESULT_CONFLICT, "old"},
    {"compare and delete, both empty", IOTIFY_WRITE_COMPARE_AND_DELETE, "", NULL, "",
        IOTIFY_RESULT_OK, NULL},
};

static void storage_rule(struct storage_world *world, const void *data)
{
    const struct storage_rule *rule = data;
    enum iotify_result result;

    if (rule->before)
        storage_write(world, IOTIFY_WRITE_PUT, "k", rule->before, NULL);
    result = storage_write(world, rule->kind, "k", rule->value, rule->expected);
    suite_check(world->suite, result == rule->result, "the write has the result %s, not %s",
        call_result_name(result), call_result_name(rule->result));
    storage_expect(world, "k", rule->after);
}

/* A write that follows another: only when the first was carried out. */
struct storage_companion {
    const struct storage_rule *first, *second;
};

static void storage_companion(struct storage_world *world, const void *data)
{
    const struct storage_companion *pair = data;
    const struct storage_rule *rules[] = {pair->first, pair->second};
    static const char *const keys[] = {"first", "second"};
    struct iotify_write writes[2] = {0};
    bool carried = pair->first->result == IOTIFY_RESULT_OK;
    enum iotify_result result, wanted = carried ? pair->second->result : IOTIFY_RESULT_FAILED;

    for (size_t i = 0; i < 2; i++) {
        if (rules[i]->before)
            storage_write(world, IOTIFY_WRITE_PUT, keys[i], rules[i]->before, NULL);
        writes[i] =
            (struct iotify_write){.kind = rules[i]->kind, .key = keys[i], .with_previous = i > 0};
        if (rules[i]->value)
            writes[i].value = (struct iotify_bytes){rules[i]->value, strlen(rules[i]->value)};
        if (rules[i]->expected)
            writes[i].expected =
                (struct iotify_bytes){rules[i]->expected, strlen(rules[i]->expected)};
    }
    result = guard_apply(world->guard, &world->call, writes, 2);
    if (!suite_check(world->suite, result == IOTIFY_RESULT_OK, "apply() failed: %s",
            call_message(&world->call, result)))
        return;
    suite_check(world->suite, writes[0].result == pair->first->result,
        "the first write has the result %s", call_result_name(writes[0].result));
    suite_check(world->suite, writes[1].result == wanted, "the second has the result %s, not %s",
        call_result_name(writes[1].result), call_result_name(wanted));
    storage_expect(world, "first", pair->first->after);
    storage_expect(world, "second", carried ? pair->second->after : pair->second->before);
}

/* ------------------------------------------------------------------ batches */

static void storage_batch_in_order(struct storage_world *world, const void *data)
{
    struct iotify_write writes[] = {
        {.kind = IOTIFY_WRITE_PUT, .key = "k", .value = {"1", 1}},
        {.kind = IOTIFY_WRITE_CREATE, .key = "k", .value = {"2", 1}},
        {.kind = IOTIFY_WRITE_COMPARE_AND_SET, .key = "k", .value = {"3", 1}, .expected = {"1", 1}},
        {.kind = IOTIFY_WRITE_COMPARE_AND_SET, .key = "k", .value = {"4", 1}, .expected = {"1", 1}},
        {.kind = IOTIFY_WRITE_DELETE, .key = "k"},
        {.kind = IOTIFY_WRITE_CREATE, .key = "k", .value = {"5", 1}},
        {.kind = IOTIFY_WRITE_PUT, .key = "k", .value = {"6", 1}},
    };
    static const enum iotify_result wanted[] = {IOTIFY_RESULT_OK, IOTIFY_RESULT_EXISTS,
        IOTIFY_RESULT_OK, IOTIFY_RESULT_CONFLICT, IOTIFY_RESULT_OK, IOTIFY_RESULT_OK,
        IOTIFY_RESULT_OK};
    enum iotify_result result = guard_apply(world->guard, &world->call, writes, COUNT(writes));

    (void)data;
    suite_check(world->suite, result == IOTIFY_RESULT_OK, "apply() failed: %s",
        call_message(&world->call, result));
    for (size_t i = 0; i < COUNT(writes); i++)
        suite_check(world->suite, writes[i].result == wanted[i],
            "write %zu of one batch has the result %s, not %s", i,
            call_result_name(writes[i].result), call_result_name(wanted[i]));
    storage_expect(world, "k", "6");
}

/* Three in a chain: what is skipped skips the next. */
static void storage_batch_chain(struct storage_world *world, const void *data)
{
    struct iotify_write writes[] = {
        {.kind = IOTIFY_WRITE_COMPARE_AND_SET, .key = "a", .value = {"1", 1}, .expected = {"x", 1}},
        {.kind = IOTIFY_WRITE_PUT, .key = "b", .value = {"1", 1}, .with_previous = true},
        {.kind = IOTIFY_WRITE_PUT, .key = "c", .value = {"1", 1}, .with_previous = true},
        {.kind = IOTIFY_WRITE_PUT, .key = "d", .value = {"1", 1}},
        {.kind = IOTIFY_WRITE_PUT, .key = "e", .value = {"1", 1}, .with_previous = true},
    };

    (void)data;
    guard_apply(world->guard, &world->call, writes, COUNT(writes));
    suite_check(world->suite,
        writes[0].result == IOTIFY_RESULT_CONFLICT && writes[1].result == IOTIFY_RESULT_FAILED &&
            writes[2].result == IOTIFY_RESULT_FAILED && writes[3].result == IOTIFY_RESULT_OK &&
            writes[4].result == IOTIFY_RESULT_OK,
        "the results are not CONFLICT, FAILED, FAILED, OK, OK");
    storage_expect(world, "b", NULL);
    storage_expect(world, "c", NULL);
    storage_expect(world, "e", "1");
}

static void storage_batch_of(struct storage_world *world, const void *data)
{
    size_t count = *(const size_t *)data;
    struct iotify_write *writes = arena_array(&world->call.arena, count, sizeof(*writes));
    struct iotify_read *reads = arena_array(&world->call.arena, count, sizeof(*reads));
    enum iotify_result result;

    for (size_t i = 0; i < count; i++) {
        const char *key = arena_format(&world->call.arena, "batch/%06zu", i);

        writes[i] = (struct iotify_write){
            .kind = IOTIFY_WRITE_PUT, .key = key, .value = {key, strlen(key)}};
        /* Read in another order, with an absent key between two. */
        reads[count - 1 - i].key = i % 3 == 1 ? "absent" : key;
    }
    result = guard_apply(world->guard, &world->call, writes, count);
    suite_check(world->suite, result == IOTIFY_RESULT_OK, "apply() failed: %s",
        call_message(&world->call, result));
    result = guard_get_many(world->guard, &world->call, reads, count);
    suite_check(world->suite, result == IOTIFY_RESULT_OK, "get_many() failed: %s",
        call_message(&world->call, result));
    for (size_t i = 0; i < count && result == IOTIFY_RESULT_OK; i++) {
        bool absent = strcmp(reads[i].key, "absent") == 0;

        if (!suite_check(world->suite,
                absent ? reads[i].result == IOTIFY_RESULT_NOT_FOUND
                       : reads[i].result == IOTIFY_RESULT_OK &&
                             strcmp(reads[i].value.data, reads[i].key) == 0,
                "read %zu, of \"%s\", is not answered as it should be", i, reads[i].key))
            return;
    }
}

static void storage_same_key_twice(struct storage_world *world, const void *data)
{
    struct iotify_read reads[] = {{.key = "k"}, {.key = "none"}, {.key = "k"}};

    (void)data;
    storage_write(world, IOTIFY_WRITE_PUT, "k", "v", NULL);
    guard_get_many(world->guard, &world->call, reads, 3);
    suite_check(world->suite,
        reads[0].result == IOTIFY_RESULT_OK && reads[1].result == IOTIFY_RESULT_NOT_FOUND &&
            reads[2].result == IOTIFY_RESULT_OK && strcmp(reads[2].value.data, "v") == 0,
        "two reads of one key in one call do not both find it");
}

/* Values of earlier reads stay valid until the call ends. */
static void storage_values_stay(struct storage_world *world, const void *data)
{
    const char *first;

    (void)data;
    storage_write(world, IOTIFY_WRITE_PUT, "k", "first", NULL);
    first = storage_read(world, "k");
    storage_write(world, IOTIFY_WRITE_PUT, "k", "other", NULL);
    storage_expect(world, "k", "other");
    suite_check(world->suite, first && strcmp(first, "first") == 0,
        "a value that was read changed when the key was written");
}

void storage_write_cases(struct suite *suite, const void *options)
{
    static const size_t counts[] = {1, 2, 100, 1000};
    /* The first of a pair: carried out, or not, in each way. The second: each kind. */
    static const size_t firsts[] = {4, 5, 8, 9, 17, 18}, seconds[] = {0, 4, 8, 15, 17};

    for (size_t i = 0; i < COUNT(storage_rules); i++)
        storage_case(
            suite, options, "write", storage_rules[i].name, storage_rule, &storage_rules[i]);
    for (size_t i = 0; i < COUNT(firsts); i++)
        for (size_t j = 0; j < COUNT(seconds); j++) {
            const struct storage_companion pair = {
                &storage_rules[firsts[i]], &storage_rules[seconds[j]]};

            storage_case(suite, options, "with_previous",
                arena_format(&suite->arena, "%s; then %s", pair.first->name, pair.second->name),
                storage_companion, &pair);
        }
    storage_case(
        suite, options, "writes of a batch see those before", NULL, storage_batch_in_order, NULL);
    storage_case(suite, options, "a chain of writes", NULL, storage_batch_chain, NULL);
    for (size_t i = 0; i < COUNT(counts); i++)
        storage_case(suite, options, "a batch of", arena_format(&suite->arena, "%zu", counts[i]),
            storage_batch_of, &counts[i]);
    storage_case(suite, options, "a key twice in one read", NULL, storage_same_key_twice, NULL);
    storage_case(suite, options, "values that were read stay", NULL, storage_values_stay, NULL);
}
