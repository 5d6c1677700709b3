/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The glob's worker thread: carries out the requests in order, as many at a time as can be
 * combined.
 */
#include <stdlib.h>
#include <string.h>

#include "core/store/glob_internal.h"

static bool glob_worker_is_write(const struct glob_waiting *waiting)
{
    return waiting->request.kind == GLOB_PUT || waiting->request.kind == GLOB_DELETE ||
           waiting->request.kind == GLOB_POST;
}

static bool glob_worker_is_change(const struct glob_waiting *waiting)
{
    return waiting->request.kind == GLOB_ADD || waiting->request.kind == GLOB_SWAP;
}

/* True when the two requests can be carried out together. */
static bool glob_worker_may_group(const struct glob_waiting *a, const struct glob_waiting *b)
{
    if (glob_worker_is_write(a) || glob_worker_is_change(a))
        return glob_worker_is_write(a) ? glob_worker_is_write(b) : glob_worker_is_change(b);
    if (a->request.kind == GLOB_POP)
        return b->request.kind == GLOB_POP && strcmp(a->request.key, b->request.key) == 0;
    return a->request.kind == GLOB_GET && b->request.kind == GLOB_GET;
}

/* ------------------------------------------------------------------ answers */

struct glob_answer *glob_answer_new(const struct glob_waiting *waiting)
{
    struct glob_answer *answer = memory_new(1, sizeof(*answer));

    answer->token = waiting->request.token;
    answer->kind = waiting->request.kind;
    return answer;
}

struct iotify_bytes glob_answer_keep(struct arena *arena, struct iotify_bytes bytes)
{
    if (!bytes.data)
        return bytes;
    return (struct iotify_bytes){arena_copy(arena, bytes.data, bytes.size), bytes.size};
}

void glob_answer_send(const struct glob_waiting *waiting, struct glob_answer *answer)
{
    if (waiting->port && waiting->request.token)
        glob_post(waiting->port, answer);
    else
        glob_answer_free(answer);
}

static void glob_worker_answer_done(const struct glob_waiting *waiting)
{
    glob_answer_send(waiting, glob_answer_new(waiting));
}

static const char *const names[] = {[GLOB_PUT] = "glob.set",
    [GLOB_DELETE] = "glob.delete",
    [GLOB_GET] = "glob.get",
    [GLOB_LIST] = "glob.list",
    [GLOB_ADD] = "glob.increment",
    [GLOB_SWAP] = "glob.compareAndSet",
    [GLOB_FLUSH] = "glob.flush",
    [GLOB_POST] = "mailbox.post",
    [GLOB_POP] = "mailbox.pop",
    [GLOB_COUNT] = "mailbox.count",
    [GLOB_DUMP] = "mailbox.dump",
    [GLOB_CLEAR] = "mailbox.delete"};

void glob_answer_error(struct glob *glob, const struct glob_waiting *waiting, const char *message)
{
    struct glob_answer *answer = glob_answer_new(waiting);
    enum glob_kind kind = waiting->request.kind;

    answer->error = arena_format(&answer->arena, "%s: %s", names[kind], message);
    if (glob_worker_is_write(waiting) || kind == GLOB_CLEAR)
        glob_failed(glob, names[kind], waiting->request.key, message);
    glob_answer_send(waiting, answer);
}

void glob_answer_all(struct glob *glob, const struct glob_group *group, const char *message)
{
    for (size_t i = 0; i < group->count; i++)
        glob_answer_error(glob, group->items[i], message);
}

/* ------------------------------------------------------------------ writes */

static void glob_worker_as_write(
    const struct glob_waiting *waiting, struct call *call, struct iotify_write *write)
{
    *write = (struct iotify_write){
        .kind = waiting->request.kind == GLOB_DELETE ? IOTIFY_WRITE_DELETE : IOTIFY_WRITE_PUT,
        .key = store_glob_key(call, waiting->request.key),
        .value = waiting->request.value};
}

static void glob_worker_write_done(struct glob *glob, const struct glob_waiting *waiting,
    enum iotify_result result, struct call *call)
{
    if (waiting->request.kind != GLOB_POST)
        glob_written(glob, waiting->request.key, result == IOTIFY_RESULT_OK);
    if (result == IOTIFY_RESULT_OK)
        glob_worker_answer_done(waiting);
    else
        glob_answer_error(glob, waiting, call_message(call, result));
}

static void glob_worker_write(struct glob *glob, struct call *call, const struct glob_group *group)
{
    struct iotify_write writes[GLOB_GROUP_MAX];
    enum iotify_result result;

    for (size_t i = 0; i < group->count; i++)
        glob_worker_as_write(group->items[i], call, &writes[i]);
    result = store_apply(glob->store, call, writes, group->count);
    for (size_t i = 0; i < group->count; i++) {
        /* When the commit fails, try each write alone, so that one does not fail the others. */
        if (result != IOTIFY_RESULT_OK && group->count > 1) {
            struct call own;
            enum iotify_result one;

            call_init(&own, glob->where);
            glob_worker_as_write(group->items[i], &own, &writes[0]);
            one = store_apply(glob->store, &own, writes, 1);
            glob_worker_write_done(glob, group->items[i], one, &own);
            call_clear(&own);
        } else {
            glob_worker_write_done(glob, group->items[i], result, call);
        }
    }
}

/* ------------------------------------------------------------------ reads */

static void glob_worker_answer_read(
    struct glob *glob, const struct glob_waiting *waiting, const struct iotify_read *read)
{
    struct iotify_bytes value =
        read->result == IOTIFY_RESULT_OK ? read->value : (struct iotify_bytes){NULL, 0};
    struct glob_answer *answer = glob_answer_new(waiting);

    glob_learn(glob, waiting->request.key, value);
    answer->value = glob_answer_keep(&answer->arena, value);
    glob_answer_send(waiting, answer);
}

static void glob_worker_read_one(struct glob *glob, const struct glob_waiting *waiting)
{
    struct iotify_read read;
    struct call call;
    enum iotify_result result;

    call_init(&call, glob->where);
    read = (struct iotify_read){.key = store_glob_key(&call, waiting->request.key)};
    result = store_get_many(glob->store, &call, &read, 1);
    if (result == IOTIFY_RESULT_OK) {
        glob_worker_answer_read(glob, waiting, &read);
    } else {
        glob_not_learned(glob, waiting->request.key);
        glob_answer_error(glob, waiting, call_message(&call, result));
    }
    call_clear(&call);
}

static void glob_worker_read(struct glob *glob, struct call *call, const struct glob_group *group)
{
    struct iotify_read reads[GLOB_GROUP_MAX];
    enum iotify_result result;

    for (size_t i = 0; i < group->count; i++)
        reads[i] = (struct iotify_read){.key = store_glob_key(call, group->items[i]->request.key)};
    result = store_get_many(glob->store, call, reads, group->count);
    for (size_t i = 0; i < group->count; i++) {
        /* When the batch fails, read each entry alone, so that one does not fail the others. */
        if (result != IOTIFY_RESULT_OK)
            glob_worker_read_one(glob, group->items[i]);
        else
            glob_worker_answer_read(glob, group->items[i], &reads[i]);
    }
}

struct glob_worker_keys {
    struct arena *arena;
    const char **items;
    size_t count, capacity;
};

static void glob_worker_on_key(void *argument, const char *key)
{
    struct glob_worker_keys *keys = argument;

    if (keys->count == keys->capacity) {
        keys->capacity = keys->capacity ? keys->capacity * 2 : 64;
        keys->items = memory_grow(keys->items, keys->capacity, sizeof(*keys->items));
    }
    keys->items[keys->count++] = arena_string(keys->arena, key);
}

static enum iotify_result glob_worker_list_keys(struct glob *glob, struct call *call,
    const char *prefix, size_t limit, struct glob_worker_keys *keys)
{
    keys->arena = &call->arena;
    return store_list_glob(glob->store, call, prefix, limit, glob_worker_on_key, keys);
}

/* Read the values of keys; a key that was deleted after the listing has none. */
static enum iotify_result glob_worker_read_keys(struct glob *glob, struct call *call,
    const struct glob_worker_keys *keys, struct iotify_read **out)
{
    *out = arena_array(&call->arena, keys->count, sizeof(**out));
    for (size_t i = 0; i < keys->count; i++)
        (*out)[i].key = store_glob_key(call, keys->items[i]);
    return store_get_many(glob->store, call, *out, keys->count);
}

static void glob_worker_add_items(struct glob_answer *answer, const struct glob_worker_keys *keys)
{
    answer->items = arena_array(&answer->arena, keys->count, sizeof(*answer->items));
    for (size_t i = 0; i < keys->count; i++)
        answer->items[answer->item_count++] = arena_string(&answer->arena, keys->items[i]);
}

static enum iotify_result glob_worker_dump(struct glob *glob, struct call *call,
    const struct glob_worker_keys *keys, struct glob_answer *answer)
{
    struct iotify_read *reads;
    enum iotify_result result = glob_worker_read_keys(glob, call, keys, &reads);

    answer->items = arena_array(&answer->arena, keys->count, sizeof(*answer->items));
    for (size_t i = 0; i < keys->count && result == IOTIFY_RESULT_OK; i++)
        if (reads[i].result == IOTIFY_RESULT_OK)
            answer->items[answer->item_count++] =
                glob_answer_keep(&answer->arena, reads[i].value).data;
    return result;
}

static enum iotify_result glob_worker_clear(
    struct glob *glob, struct call *call, const struct glob_worker_keys *keys)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    for (size_t at = 0; at < keys->count && result == IOTIFY_RESULT_OK; at += GLOB_GROUP_MAX) {
        size_t some = keys->count - at < GLOB_GROUP_MAX ? keys->count - at : GLOB_GROUP_MAX;
        struct iotify_write writes[GLOB_GROUP_MAX];

        for (size_t i = 0; i < some; i++)
            writes[i] = (struct iotify_write){
                .kind = IOTIFY_WRITE_DELETE, .key = store_glob_key(call, keys->items[at + i])};
        result = store_apply(glob->store, call, writes, some);
    }
    return result;
}

/* Requests that list keys: LIST, and those for a whole mailbox. */
static void glob_worker_list(
    struct glob *glob, struct call *call, const struct glob_waiting *waiting)
{
    struct glob_answer *answer = glob_answer_new(waiting);
    struct glob_worker_keys keys = {0};
    enum iotify_result result =
        glob_worker_list_keys(glob, call, waiting->request.key, SIZE_MAX, &keys);

    answer->number = (double)keys.count;
    if (result == IOTIFY_RESULT_OK && waiting->request.kind == GLOB_LIST)
        glob_worker_add_items(answer, &keys);
    if (result == IOTIFY_RESULT_OK && waiting->request.kind == GLOB_DUMP)
        result = glob_worker_dump(glob, call, &keys, answer);
    if (result == IOTIFY_RESULT_OK && waiting->request.kind == GLOB_CLEAR)
        result = glob_worker_clear(glob, call, &keys);
    free(keys.items);
    if (result == IOTIFY_RESULT_OK) {
        glob_answer_send(waiting, answer);
        return;
    }
    glob_answer_free(answer);
    glob_answer_error(glob, waiting, call_message(call, result));
}

/* ------------------------------------------------------------------ mailboxes */

/*
 * Pop the newest messages, one per request of the group. Each is deleted only if it is still there,
 * so that no other reader gets it too. When the mailbox is empty, the rest is answered without a
 * value.
 */
static enum iotify_result glob_worker_pop_round(
    struct glob *glob, struct call *call, struct glob_group *group)
{
    struct glob_worker_keys keys = {0};
    struct iotify_read *reads;
    struct iotify_write writes[GLOB_GROUP_MAX];
    size_t found = 0, taken = 0;
    enum iotify_result result =
        glob_worker_list_keys(glob, call, group->items[0]->request.key, group->count, &keys);

    if (result == IOTIFY_RESULT_OK)
        result = glob_worker_read_keys(glob, call, &keys, &reads);
    for (size_t i = 0; i < keys.count && result == IOTIFY_RESULT_OK; i++)
        if (reads[i].result == IOTIFY_RESULT_OK)
            writes[found++] = (struct iotify_write){.kind = IOTIFY_WRITE_COMPARE_AND_DELETE,
                .key = reads[i].key,
                .expected = reads[i].value};
    if (result == IOTIFY_RESULT_OK)
        result = store_apply(glob->store, call, writes, found);
    for (size_t i = 0; i < found && result == IOTIFY_RESULT_OK; i++) {
        struct glob_answer *answer;

        if (writes[i].result != IOTIFY_RESULT_OK)
            continue;
        answer = glob_answer_new(group->items[taken]);
        answer->value = glob_answer_keep(&answer->arena, writes[i].expected);
        glob_answer_send(group->items[taken++], answer);
    }
    if (result == IOTIFY_RESULT_OK && keys.count == 0)
        for (; taken < group->count; taken++)
            glob_worker_answer_done(group->items[taken]);
    group->count -= taken;
    memmove(group->items, group->items + taken, group->count * sizeof(*group->items));
    free(keys.items);
    return result;
}

static void glob_worker_pop(struct glob *glob, struct glob_group *group)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    for (int try = 0; group->count > 0 && result == IOTIFY_RESULT_OK && try < GLOB_TRIES_MAX;
         try++) {
        struct call call;

        call_init(&call, glob->where);
        result = glob_worker_pop_round(glob, &call, group);
        if (result != IOTIFY_RESULT_OK)
            glob_answer_all(glob, group, call_message(&call, result));
        call_clear(&call);
    }
    if (result == IOTIFY_RESULT_OK)
        glob_answer_all(glob, group, "gave up after 1000 conflicting updates");
}

/* ------------------------------------------------------------------ the thread */

static bool glob_worker_is_read(const struct glob_waiting *waiting)
{
    switch (waiting->request.kind) {
    case GLOB_GET:
    case GLOB_LIST:
    case GLOB_COUNT:
    case GLOB_DUMP:
    case GLOB_FLUSH:
        return true;
    default:
        return false;
    }
}

static void glob_worker_carry_out(struct glob *glob, struct glob_group *group)
{
    struct call call;

    if (glob->read_only && !glob_worker_is_read(group->items[0])) {
        glob_answer_all(glob, group, "nothing is written here");
        return;
    }
    call_init(&call, glob->where);
    switch (group->items[0]->request.kind) {
    case GLOB_PUT:
    case GLOB_DELETE:
    case GLOB_POST:
        glob_worker_write(glob, &call, group);
        break;
    case GLOB_ADD:
    case GLOB_SWAP:
        glob_do_changes(glob, group);
        break;
    case GLOB_GET:
        glob_worker_read(glob, &call, group);
        break;
    case GLOB_POP:
        glob_worker_pop(glob, group);
        break;
    case GLOB_LIST:
    case GLOB_COUNT:
    case GLOB_DUMP:
    case GLOB_CLEAR:
        glob_worker_list(glob, &call, group->items[0]);
        break;
    case GLOB_FLUSH:
        glob_worker_answer_done(group->items[0]);
        break;
    }
    call_clear(&call);
}

static void glob_worker_free_waiting(struct glob_waiting *waiting)
{
    size_t size = waiting->size;

    /* The values may contain keys. The size is read first, since it is wiped too. */
    explicit_bzero(waiting, size);
    free(waiting);
}

/* Take the first requests that can be carried out together. The caller holds the lock. */
static size_t glob_worker_take_group(struct glob *glob, struct glob_group *group)
{
    size_t size = 0;

    group->count = 0;
    while (glob->first && group->count < GLOB_GROUP_MAX &&
           (group->count == 0 || glob_worker_may_group(group->items[0], glob->first))) {
        group->items[group->count++] = glob->first;
        size += glob->first->size;
        glob->first = glob->first->next;
    }
    if (!glob->first)
        glob->last = &glob->first;
    return size;
}

void *glob_worker(void *argument)
{
    struct glob *glob = argument;
    struct glob_group *group = memory_new(1, sizeof(*group)),
                      *taken = memory_new(1, sizeof(*taken));

    pthread_mutex_lock(&glob->lock);
    for (;;) {
        size_t size;

        while (!glob->first && !glob->stop)
            pthread_cond_wait(&glob->work, &glob->lock);
        if (!glob->first)
            break;
        size = glob_worker_take_group(glob, group);
        *taken = *group;
        glob->busy = true;
        pthread_mutex_unlock(&glob->lock);
        glob_worker_carry_out(glob, group);
        for (size_t i = 0; i < taken->count; i++)
            glob_worker_free_waiting(taken->items[i]);
        pthread_mutex_lock(&glob->lock);
        glob->queued -= size;
        glob->busy = false;
        pthread_cond_broadcast(&glob->idle);
    }
    pthread_mutex_unlock(&glob->lock);
    free(group);
    free(taken);
    return NULL;
}
