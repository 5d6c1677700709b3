/* SPDX-License-Identifier: Apache-2.0 */
/* Changes that depend on the current value: add a number, compare and set. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/glob_internal.h"

/* A key that requests of the group change, and its values before and after. */
struct glob_changes_change {
    const char *key;
    struct iotify_bytes before, now;
    bool won;
};

static json_t *glob_changes_parse(struct iotify_bytes value)
{
    if (!value.data || value.size < 2 || *(const char *)value.data != GLOB_JSON_MARK)
        return NULL;
    return json_loadb((const char *)value.data + 1, value.size - 1, JSON_DECODE_ANY, NULL);
}

/* Compare JSON as values, not as texts: the order of an object's members does not matter. */
static bool glob_changes_is_same(struct iotify_bytes a, struct iotify_bytes b)
{
    json_t *left, *right;
    bool same;

    if (!a.data || !b.data)
        return !a.data && !b.data;
    if (a.size == b.size && memcmp(a.data, b.data, a.size) == 0)
        return true;
    left = glob_changes_parse(a);
    right = glob_changes_parse(b);
    same = left && right && json_equal(left, right);
    json_decref(left);
    json_decref(right);
    return same;
}

static bool glob_changes_add_number(
    struct arena *arena, struct iotify_bytes *value, double by, double *sum)
{
    json_t *current = glob_changes_parse(*value), *next;
    bool is_integer;
    char *text;

    if (value->data && !json_is_number(current)) {
        json_decref(current);
        return false;
    }
    *sum = (value->data ? json_number_value(current) : 0) + by;
    json_decref(current);
    is_integer = *sum >= -9007199254740992.0 && *sum <= 9007199254740992.0 &&
                 (double)(json_int_t)*sum >= *sum && (double)(json_int_t)*sum <= *sum;
    next = is_integer ? json_integer((json_int_t)*sum) : json_real(*sum);
    text = next ? json_dumps(next, JSON_ENCODE_ANY) : NULL;
    json_decref(next);
    if (!text)
        return false;
    value->data = arena_format(arena, "%c%s", GLOB_JSON_MARK, text);
    value->size = strlen(value->data);
    free(text);
    return true;
}

static struct glob_changes_change *glob_changes_find(
    struct glob_changes_change *changes, size_t *count, const char *key)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(changes[i].key, key) == 0)
            return &changes[i];
    changes[*count] = (struct glob_changes_change){.key = key};
    return &changes[(*count)++];
}

/* Apply a request to the value; the answer is sent when the value is in the store. */
static struct glob_answer *glob_changes_value(
    const struct glob_waiting *waiting, struct glob_changes_change *change, struct arena *arena)
{
    struct glob_answer *answer = glob_answer_new(waiting);
    const struct glob_request *request = &waiting->request;

    if (request->kind == GLOB_SWAP) {
        answer->swapped = glob_changes_is_same(change->now, request->expected);
        if (answer->swapped)
            change->now = request->value;
    } else if (!glob_changes_add_number(arena, &change->now, request->number, &answer->number)) {
        answer->error = arena_format(
            &answer->arena, "glob.increment: the value of \"%s\" is not a number", request->key);
    }
    return answer;
}

static struct iotify_write glob_changes_write(
    const struct glob_changes_change *change, struct call *call)
{
    struct iotify_write write = {
        .key = store_glob_key(call, change->key), .value = change->now, .expected = change->before};

    if (!change->before.data)
        write.kind = IOTIFY_WRITE_CREATE;
    else
        write.kind =
            change->now.data ? IOTIFY_WRITE_COMPARE_AND_SET : IOTIFY_WRITE_COMPARE_AND_DELETE;
    return write;
}

static bool glob_changes_is_unchanged(const struct glob_changes_change *change)
{
    return (!change->before.data && !change->now.data) ||
           (change->before.data && change->now.data && change->before.size == change->now.size &&
               memcmp(change->before.data, change->now.data, change->now.size) == 0);
}

/*
 * Read the values, apply the requests and write what did not change in the store in the meantime.
 * `won` of each change is set when the result is IOTIFY_RESULT_OK. `read` tells whether the values
 * were read.
 */
static enum iotify_result glob_changes_try(struct glob *glob, struct call *call,
    const struct glob_group *group, struct glob_answer **answers,
    struct glob_changes_change *changes, size_t *change_count, bool *read)
{
    struct iotify_read reads[GLOB_GROUP_MAX];
    struct iotify_write writes[GLOB_GROUP_MAX];
    struct glob_changes_change *written[GLOB_GROUP_MAX];
    size_t count = 0, write_count = 0;
    enum iotify_result result;

    for (size_t i = 0; i < group->count; i++)
        glob_changes_find(changes, &count, group->items[i]->request.key);
    *change_count = count;
    for (size_t i = 0; i < count; i++)
        reads[i] = (struct iotify_read){.key = store_glob_key(call, changes[i].key)};
    result = store_get_many(glob->store, call, reads, count);
    *read = result == IOTIFY_RESULT_OK;
    if (!*read)
        return result;
    for (size_t i = 0; i < count; i++)
        changes[i].before = changes[i].now =
            reads[i].result == IOTIFY_RESULT_OK ? reads[i].value : (struct iotify_bytes){0};
    for (size_t i = 0; i < group->count; i++)
        answers[i] = glob_changes_value(group->items[i],
            glob_changes_find(changes, &count, group->items[i]->request.key), &call->arena);
    for (size_t i = 0; i < count; i++) {
        changes[i].won = glob_changes_is_unchanged(&changes[i]);
        if (changes[i].won)
            continue;
        written[write_count] = &changes[i];
        writes[write_count++] = glob_changes_write(&changes[i], call);
    }
    result = store_apply(glob->store, call, writes, write_count);
    for (size_t i = 0; i < write_count && result == IOTIFY_RESULT_OK; i++)
        written[i]->won = writes[i].result == IOTIFY_RESULT_OK;
    return result;
}

/*
 * Try once; requests that conflicted with another writer stay in the group. All stay, and it is an
 * error, when one of several values cannot be read.
 */
static enum iotify_result glob_changes_round(struct glob *glob, struct glob_group *group)
{
    struct glob_answer *answers[GLOB_GROUP_MAX] = {NULL};
    struct glob_changes_change changes[GLOB_GROUP_MAX];
    size_t change_count = 0, left = 0;
    struct call call;
    enum iotify_result result;
    bool read = false;

    call_init(&call, glob->where);
    result = glob_changes_try(glob, &call, group, answers, changes, &change_count, &read);
    if (!read && group->count > 1) {
        call_clear(&call);
        return result;
    }
    /* Before the answers: a script that has one must not read an older value. */
    for (size_t i = 0; i < change_count && result == IOTIFY_RESULT_OK; i++)
        if (changes[i].won)
            glob_learn(glob, changes[i].key, changes[i].now);
    for (size_t i = 0; i < group->count; i++) {
        struct glob_waiting *waiting = group->items[i];
        bool won = result == IOTIFY_RESULT_OK &&
                   glob_changes_find(changes, &change_count, waiting->request.key)->won;

        if (won) {
            glob_answer_send(waiting, answers[i]);
            continue;
        }
        glob_answer_free(answers[i]);
        if (result != IOTIFY_RESULT_OK)
            glob_answer_error(glob, waiting, call_message(&call, result));
        else
            group->items[left++] = waiting;
    }
    group->count = left;
    call_clear(&call);
    return result;
}

void glob_do_changes(struct glob *glob, struct glob_group *group)
{
    for (int try = 0; group->count > 0 && try < GLOB_TRIES_MAX; try++) {
        if (glob_changes_round(glob, group) == IOTIFY_RESULT_OK)
            continue;
        /* Each alone, so that a value that cannot be read does not fail the others. */
        for (size_t i = 0; i < group->count; i++) {
            struct glob_group one = {.items = {group->items[i]}, .count = 1};

            glob_do_changes(glob, &one);
        }
        return;
    }
    glob_answer_all(glob, group, "gave up after 1000 conflicting updates");
}
