/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store on a Redis or Valkey server: a hash with the values, and a sorted set with their keys for
 * ordered listings. A batch is one script, which the server carries out atomically.
 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <iotify/storage.h>
#include <iotify/text.h>

#include "plugins/storage/redis/wire.h"

#define ID_SIZE 8
#define CONNECTIONS_MAX 16 /* that are kept while nothing uses them */
#define NAME_SIZE 512
/* The host repeats a call after a pause shorter than this; later it is another one. */
#define REPEATED_WITHIN INT64_C(5000000000)
/* Keys that one command of a listing asks for. */
#define PAGE 1000

struct redis_store {
    const struct redis_options *options;
    char values[NAME_SIZE], index[NAME_SIZE], last[NAME_SIZE]; /* names of keys on the server */
    char script[2 * EVP_MAX_MD_SIZE + 1]; /* its SHA-1, by which it is called */
    pthread_mutex_t lock;
    struct wire *idle[CONNECTIONS_MAX];
    size_t idle_count;
    /* Of apply(), of which one is in progress at most. */
    uint64_t batch, doubtful; /* its number; the hash of a batch without an answer, 0: none */
    int64_t doubtful_until;   /* when the host no longer repeats it, in nanoseconds */
};

/* apply.lua */
extern const char redis_apply_script[];

/* ------------------------------------------------------------------ connections */

static enum iotify_result redis_take_wire(
    struct redis_store *store, struct iotify_call *call, struct wire **wire)
{
    *wire = NULL;
    pthread_mutex_lock(&store->lock);
    if (store->idle_count)
        *wire = store->idle[--store->idle_count];
    pthread_mutex_unlock(&store->lock);
    return *wire ? IOTIFY_RESULT_OK : redis_wire_open(call, store->options, wire);
}

static void redis_return_wire(struct redis_store *store, struct wire *wire)
{
    bool broken = redis_wire_is_broken(wire);

    pthread_mutex_lock(&store->lock);
    if (!broken && store->idle_count < CONNECTIONS_MAX) {
        store->idle[store->idle_count++] = wire;
        wire = NULL;
    } else if (broken) {
        /* The others are of the same server, and probably broken, too. */
        while (store->idle_count)
            redis_wire_close(store->idle[--store->idle_count]);
    }
    pthread_mutex_unlock(&store->lock);
    if (wire)
        redis_wire_close(wire);
}

/* One command on a connection of its own. */
static enum iotify_result redis_ask(struct redis_store *store, struct iotify_call *call, int count,
    const char **words, const size_t *sizes, redisReply **answer)
{
    struct wire *wire;
    enum iotify_result result = redis_take_wire(store, call, &wire);

    *answer = NULL;
    if (result != IOTIFY_RESULT_OK)
        return result;
    result = redis_wire_ask(wire, call, count, words, sizes, answer);
    redis_return_wire(store, wire);
    return result;
}

static enum iotify_result redis_fail_answer(struct iotify_call *call, redisReply *answer)
{
    freeReplyObject(answer);
    return call->host->fail(call, IOTIFY_RESULT_FAILED, "BadAnswer",
        "redis: the server gave an answer of another type; is it a Redis or Valkey server?");
}

/* ------------------------------------------------------------------ open, close */

static bool redis_make_names(struct redis_store *store)
{
    const char *prefix = store->options->prefix;
    unsigned char id[ID_SIZE], digest[EVP_MAX_MD_SIZE];
    char id_text[2 * ID_SIZE + 1];
    unsigned size = 0;

    if (RAND_bytes(id, ID_SIZE) != 1 || EVP_Digest(redis_apply_script, strlen(redis_apply_script),
                                            digest, &size, EVP_sha1(), NULL) != 1)
        return false;
    iotify_hex_encode(id, ID_SIZE, id_text);
    iotify_hex_encode(digest, size, store->script);
    /* Of a cluster, all three are on the node that the text in braces chooses. */
    snprintf(store->values, NAME_SIZE, "{%s}:values", prefix);
    snprintf(store->index, NAME_SIZE, "{%s}:keys", prefix);
    snprintf(store->last, NAME_SIZE, "{%s}:batch:%s", prefix, id_text);
    return true;
}

static void redis_close(void *given)
{
    struct redis_store *store = given;

    while (store->idle_count)
        redis_wire_close(store->idle[--store->idle_count]);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static enum iotify_result redis_open(struct iotify_call *call, const void *options, void **instance)
{
    struct redis_store *store = calloc(1, sizeof(*store));
    struct wire *wire = NULL;
    enum iotify_result result;

    if (!store)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    store->options = options;
    pthread_mutex_init(&store->lock, NULL);
    if (redis_make_names(store))
        result = redis_take_wire(store, call, &wire);
    else
        result = call->host->fail(call, IOTIFY_RESULT_FAILED, "OpenSsl", "no random numbers");
    if (result != IOTIFY_RESULT_OK) {
        redis_close(store);
        return result;
    }
    redis_return_wire(store, wire);
    *instance = store;
    return IOTIFY_RESULT_OK;
}

/* The value of a setting of the server; NULL, and `*result`, when it does not tell. */
static const char *redis_server_setting(struct redis_store *store, struct iotify_call *call,
    const char *name, enum iotify_result *result)
{
    const char *words[] = {"CONFIG", "GET", name};
    const size_t sizes[] = {6, 3, strlen(name)};
    redisReply *answer;
    char *value = NULL;

    *result = redis_ask(store, call, 3, words, sizes, &answer);
    if (*result == IOTIFY_RESULT_OK && answer->type == REDIS_REPLY_ARRAY && answer->elements == 2 &&
        answer->element[1]->type == REDIS_REPLY_STRING) {
        value = call->host->alloc(call, answer->element[1]->len + 1);
        memcpy(value, answer->element[1]->str, answer->element[1]->len);
    }
    freeReplyObject(answer);
    return value;
}

static enum iotify_result redis_verify_durability(void *given, struct iotify_call *call)
{
    struct redis_store *store = given;
    const char *appends, *syncs;
    enum iotify_result result;

    if (store->options->durability == REDIS_WEAKER)
        return IOTIFY_RESULT_OK;
    appends = redis_server_setting(store, call, "appendonly", &result);
    if (result == IOTIFY_RESULT_TRANSIENT || result == IOTIFY_RESULT_CANCELLED)
        return result;
    syncs = appends ? redis_server_setting(store, call, "appendfsync", &result) : NULL;
    if (result == IOTIFY_RESULT_TRANSIENT || result == IOTIFY_RESULT_CANCELLED)
        return result;
    if (!appends || !syncs)
        return call->host->fail(call, IOTIFY_RESULT_DENIED, "DurabilityUnknown",
            "redis: the server does not tell whether it keeps writes (CONFIG is not allowed); "
            "private keys may be lost when it fails; to accept that, set durability: weaker");
    if (strcmp(appends, "yes") == 0 && strcmp(syncs, "always") == 0)
        return IOTIFY_RESULT_OK;
    return call->host->fail(call, IOTIFY_RESULT_DENIED, "NotDurable",
        "redis: the server says appendonly %s and appendfsync %s: it may lose the last writes, and "
        "with them private keys; set appendonly yes and appendfsync always there, or accept it "
        "with durability: weaker",
        appends, syncs);
}

/* ------------------------------------------------------------------ reads */

static void redis_take_value(
    struct iotify_call *call, struct iotify_read *read, const redisReply *value)
{
    char *copy;

    read->result = IOTIFY_RESULT_NOT_FOUND;
    if (value->type != REDIS_REPLY_STRING)
        return;
    copy = call->host->alloc(call, value->len + 1);
    memcpy(copy, value->str, value->len);
    read->value = (struct iotify_bytes){copy, value->len};
    read->result = IOTIFY_RESULT_OK;
}

static enum iotify_result redis_get_many(
    void *given, struct iotify_call *call, struct iotify_read *reads, size_t count)
{
    struct redis_store *store = given;
    const char **words = call->host->alloc(call, (count + 2) * sizeof(*words));
    size_t *sizes = call->host->alloc(call, (count + 2) * sizeof(*sizes));
    redisReply *answer;
    enum iotify_result result;

    if (count == 0)
        return IOTIFY_RESULT_OK;
    words[0] = "HMGET";
    words[1] = store->values;
    for (size_t i = 0; i < count; i++)
        words[i + 2] = reads[i].key;
    for (size_t i = 0; i < count + 2; i++)
        sizes[i] = strlen(words[i]);
    result = redis_ask(store, call, (int)count + 2, words, sizes, &answer);
    if (result != IOTIFY_RESULT_OK)
        return result;
    if (answer->type != REDIS_REPLY_ARRAY || answer->elements != count)
        return redis_fail_answer(call, answer);
    for (size_t i = 0; i < count; i++)
        redis_take_value(call, &reads[i], answer->element[i]);
    freeReplyObject(answer);
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ writes */

struct redis_command {
    const char **words;
    size_t *sizes;
    int count;
};

static void redis_add(struct redis_command *command, const void *word, size_t size)
{
    command->words[command->count] = size ? word : "";
    command->sizes[command->count++] = size;
}

static const char *redis_kind(const struct iotify_write *write)
{
    static const char *const kinds[][2] = {[IOTIFY_WRITE_PUT] = {"p", "p+"},
        [IOTIFY_WRITE_CREATE] = {"c", "c+"},
        [IOTIFY_WRITE_COMPARE_AND_SET] = {"s", "s+"},
        [IOTIFY_WRITE_DELETE] = {"d", "d+"},
        [IOTIFY_WRITE_COMPARE_AND_DELETE] = {"r", "r+"}};

    return kinds[write->kind][write->with_previous];
}

static uint64_t redis_hash(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return hash ^ size;
}

/* The batch as words of EVALSHA, without the number of the batch, and their hash. */
static uint64_t redis_add_writes(
    struct redis_command *command, const struct iotify_write *writes, size_t count)
{
    uint64_t hash = IOTIFY_HASH_START;

    for (size_t i = 0; i < count; i++) {
        const char *kind = redis_kind(&writes[i]);
        int first = command->count;

        redis_add(command, kind, strlen(kind));
        redis_add(command, writes[i].key, strlen(writes[i].key));
        redis_add(command, writes[i].value.data,
            iotify_write_removes(&writes[i]) ? 0 : writes[i].value.size);
        redis_add(command, writes[i].expected.data, writes[i].expected.size);
        for (int j = first; j < command->count; j++)
            hash = redis_hash(hash, command->words[j], command->sizes[j]);
    }
    return hash ? hash : 1;
}

static enum iotify_result redis_take_results(
    struct iotify_call *call, redisReply *answer, struct iotify_write *writes, size_t count)
{
    if (answer->type != REDIS_REPLY_STRING || answer->len != count)
        return redis_fail_answer(call, answer);
    for (size_t i = 0; i < count; i++)
        writes[i].result = answer->str[i] == 'o'   ? IOTIFY_RESULT_OK
                           : answer->str[i] == 'e' ? IOTIFY_RESULT_EXISTS
                           : answer->str[i] == 'x' ? IOTIFY_RESULT_CONFLICT
                                                   : IOTIFY_RESULT_FAILED;
    freeReplyObject(answer);
    return IOTIFY_RESULT_OK;
}

static int64_t redis_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/*
 * A batch without an answer may have been carried out. When the host repeats it, it has the same
 * number, and the server then gives the results of the first time.
 */
static enum iotify_result redis_apply(
    void *given, struct iotify_call *call, struct iotify_write *writes, size_t count)
{
    struct redis_store *store = given;
    struct redis_command command = {
        .words = call->host->alloc(call, (4 * count + 7) * sizeof(char *)),
        .sizes = call->host->alloc(call, (4 * count + 7) * sizeof(size_t))};
    redisReply *answer;
    enum iotify_result result;
    uint64_t hash;
    char number[24];

    redis_add(&command, "EVALSHA", 7);
    redis_add(&command, store->script, strlen(store->script));
    redis_add(&command, "3", 1);
    redis_add(&command, store->values, strlen(store->values));
    redis_add(&command, store->index, strlen(store->index));
    redis_add(&command, store->last, strlen(store->last));
    redis_add(&command, number, 0);
    hash = redis_add_writes(&command, writes, count);
    if (hash != store->doubtful || redis_now() > store->doubtful_until)
        store->batch++;
    command.words[6] = number;
    command.sizes[6] =
        (size_t)snprintf(number, sizeof(number), "%llu", (unsigned long long)store->batch);
    store->doubtful = hash;
    result = redis_ask(store, call, command.count, command.words, command.sizes, &answer);
    if (result == IOTIFY_RESULT_NOT_FOUND) {
        command.words[0] = "EVAL";
        command.sizes[0] = 4;
        command.words[1] = redis_apply_script;
        command.sizes[1] = strlen(redis_apply_script);
        result = redis_ask(store, call, command.count, command.words, command.sizes, &answer);
    }
    if (result == IOTIFY_RESULT_OK)
        result = redis_take_results(call, answer, writes, count);
    if (result != IOTIFY_RESULT_TRANSIENT)
        store->doubtful = 0;
    store->doubtful_until = redis_now() + REPEATED_WITHIN;
    return result;
}

/* ------------------------------------------------------------------ listings */

/* The lower end of a listing, as ZRANGEBYLEX wants it. */
static const char *redis_from(struct iotify_call *call, const char *prefix, const char *after)
{
    bool behind = after && strcmp(after, prefix) >= 0;
    const char *key = behind ? after : prefix;
    char *from = call->host->alloc(call, strlen(key) + 2);

    from[0] = behind ? '(' : '[';
    memcpy(from + 1, key, strlen(key) + 1);
    return behind || *prefix ? from : "-";
}

/* The upper end: the first text that is greater than all with the prefix. */
static const char *redis_until(struct iotify_call *call, const char *prefix)
{
    size_t length = strlen(prefix);
    char *until = call->host->alloc(call, length + 2);

    while (length && (unsigned char)prefix[length - 1] == 0xff)
        length--;
    if (length == 0)
        return "+";
    snprintf(until, length + 2, "(%s", prefix);
    until[length] = (char)((unsigned char)until[length] + 1);
    return until;
}

static enum iotify_result redis_scan(void *given, struct iotify_call *call, const char *prefix,
    const char *after, size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    struct redis_store *store = given;
    const char *until = redis_until(call, prefix);
    enum iotify_result result = IOTIFY_RESULT_OK;
    size_t page = PAGE;

    while (limit > 0 && page == PAGE && result == IOTIFY_RESULT_OK) {
        const char *from = redis_from(call, prefix, after);
        char most[24];
        const char *words[] = {"ZRANGEBYLEX", store->index, from, until, "LIMIT", "0", most};
        size_t sizes[7];
        redisReply *answer;

        snprintf(most, sizeof(most), "%zu", limit < PAGE ? limit : (size_t)PAGE);
        for (size_t i = 0; i < 7; i++)
            sizes[i] = strlen(words[i]);
        result = redis_ask(store, call, 7, words, sizes, &answer);
        if (result != IOTIFY_RESULT_OK)
            break;
        if (answer->type != REDIS_REPLY_ARRAY)
            return redis_fail_answer(call, answer);
        page = answer->elements;
        for (size_t i = 0; i < page && limit > 0; i++, limit--)
            found(argument, answer->element[i]->str);
        if (page) {
            char *last = call->host->alloc(call, answer->element[page - 1]->len + 1);

            memcpy(last, answer->element[page - 1]->str, answer->element[page - 1]->len);
            after = last;
        }
        freeReplyObject(answer);
    }
    return result;
}

static const char *redis_libraries(void)
{
    static char text[40];

    snprintf(text, sizeof(text), "hiredis %d.%d.%d", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    return text;
}

static const struct iotify_storage redis_operations = {
    IOTIFY_STORAGE_SIZES,
    .threads = IOTIFY_THREADS_PARALLEL,
    .durability = IOTIFY_DURABILITY_DURABLE,
    .atomic_batch = true,
    .check = redis_check,
    .open = redis_open,
    .close = redis_close,
    .get_many = redis_get_many,
    .apply = redis_apply,
    .scan = redis_scan,
    .verify_durability = redis_verify_durability,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_STORAGE, .name = "redis", .version = IOTIFY_VERSION,
    .summary = "a Redis or Valkey server, which many machines can share",
    .settings = &redis_settings, .operations = &redis_operations, .libraries = redis_libraries);
