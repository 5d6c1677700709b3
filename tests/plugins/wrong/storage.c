/* SPDX-License-Identifier: Apache-2.0 */
/* A storage in memory that breaks the rule of the contract which its setting `does` names. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <iotify/host.h>
#include <iotify/storage.h>

#include "ends.h"

enum wrong {
    NOTHING,
    OPEN_NULL,
    OPEN_ZERO,
    OPEN_UNKNOWN,
    OPEN_UNCHANGED,
    OPEN_LATER,
    OPEN_SILENT,
    OPEN_NULL_TEXTS,
    OPEN_CONTROLS,
    OPEN_NULL_FORMAT,
    GET_NOTHING,
    GET_ZERO,
    GET_UNKNOWN,
    GET_NOT_FOUND,
    GET_EXISTS,
    GET_NO_VALUE,
    GET_TOO_LARGE,
    GET_NO_NUL,
    GET_RESULT_99,
    APPLY_NOTHING,
    APPLY_SOME,
    APPLY_ZERO,
    APPLY_UNKNOWN,
    APPLY_UNCHANGED,
    APPLY_NOT_FOUND,
    APPLY_RESULT_99,
    APPLY_PUT_EXISTS,
    APPLY_PUT_CONFLICT,
    APPLY_FAILED,
    FLUSH_ZERO,
    FLUSH_UNKNOWN,
    FLUSH_LATER,
    SCAN_ZERO,
    SCAN_UNKNOWN,
    SCAN_NULL,
    SCAN_EMPTY,
    SCAN_LONG,
    SCAN_OTHER,
    SCAN_SAME,
    SCAN_DOWN,
    SCAN_MORE,
    GROUP_SOME,
};

static const char *const names[] = {"nothing", "open-null", "open-zero", "open-unknown",
    "open-unchanged", "open-later", "open-silent", "open-null-texts", "open-controls",
    "open-null-format", "get-nothing", "get-zero", "get-unknown", "get-not-found", "get-exists",
    "get-no-value", "get-too-large", "get-no-nul", "get-result-99", "apply-nothing", "apply-some",
    "apply-zero", "apply-unknown", "apply-unchanged", "apply-not-found", "apply-result-99",
    "apply-put-exists", "apply-put-conflict", "apply-failed", "flush-zero", "flush-unknown",
    "flush-later", "scan-zero", "scan-unknown", "scan-null", "scan-empty", "scan-long",
    "scan-other", "scan-same", "scan-down", "scan-more", "group-some", NULL};

struct options {
    int does;
};

static const struct iotify_setting items[] = {{.name = "does",
    .type = IOTIFY_TYPE_CHOICE,
    .offset = offsetof(struct options, does),
    .value = "nothing",
    IOTIFY_CHOICES(names),
    .help = "what is wrong"}};
static const struct iotify_settings settings = IOTIFY_SETTINGS(items, struct options);

struct entry {
    char *key, *value;
    size_t size;
    struct entry *next;
};

struct store {
    enum wrong does;
    struct entry *first; /* by key */
};

static enum iotify_result wrong_result(enum wrong does, enum wrong zero, enum wrong unknown)
{
    return does == zero      ? (enum iotify_result)0
           : does == unknown ? (enum iotify_result)99
                             : IOTIFY_RESULT_OK;
}

/* The entry of a key, or where it belongs. */
static struct entry **wrong_find(struct store *store, const char *key)
{
    struct entry **at = &store->first;

    while (*at && strcmp((*at)->key, key) < 0)
        at = &(*at)->next;
    return at;
}

/* How open() fails; IOTIFY_RESULT_OK: it does not. */
static enum iotify_result wrong_open_result(struct iotify_call *call, enum wrong does)
{
    const char *nothing = NULL;

    switch (does) {
    case OPEN_UNCHANGED:
        return IOTIFY_RESULT_UNCHANGED;
    case OPEN_LATER:
        return IOTIFY_RESULT_LATER;
    case OPEN_SILENT:
        return IOTIFY_RESULT_FAILED;
    case OPEN_NULL_TEXTS:
        return call->host->fail(call, IOTIFY_RESULT_FAILED, nothing, "%s", "no code");
    case OPEN_NULL_FORMAT:
        /* That is the mistake. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "Code", nothing);
#pragma GCC diagnostic pop
    case OPEN_CONTROLS:
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "Co\nde", "a\033[31mb\nc\x7f");
    default:
        return wrong_result(does, OPEN_ZERO, OPEN_UNKNOWN);
    }
}

static enum iotify_result wrong_open(struct iotify_call *call, const void *given, void **instance)
{
    const struct options *options = given;
    enum iotify_result result = wrong_open_result(call, (enum wrong)options->does);
    struct store *store;

    ends("open");
    if (result != IOTIFY_RESULT_OK || options->does == OPEN_NULL)
        return result;
    store = calloc(1, sizeof(*store));
    if (!store)
        return IOTIFY_RESULT_FULL;
    store->does = (enum wrong)options->does;
    *instance = store;
    return IOTIFY_RESULT_OK;
}

static void wrong_close(void *instance)
{
    struct store *store = instance;

    ends("close");
    while (store->first) {
        struct entry *entry = store->first;

        store->first = entry->next;
        free(entry->key);
        free(entry->value);
        free(entry);
    }
    free(store);
}

static void wrong_read(struct iotify_call *call, struct store *store, struct iotify_read *read)
{
    struct entry *entry = *wrong_find(store, read->key);
    char *copy;

    read->result = IOTIFY_RESULT_NOT_FOUND;
    if (store->does == GET_EXISTS)
        read->result = IOTIFY_RESULT_EXISTS;
    if (store->does == GET_RESULT_99)
        read->result = (enum iotify_result)99;
    if (!entry || strcmp(entry->key, read->key) != 0)
        return;
    copy = call->host->alloc(call, entry->size + 1);
    memcpy(copy, entry->value, entry->size);
    copy[entry->size] = store->does == GET_NO_NUL ? 'x' : '\0';
    read->result = IOTIFY_RESULT_OK;
    read->value = (struct iotify_bytes){store->does == GET_NO_VALUE ? NULL : copy,
        store->does == GET_TOO_LARGE ? (size_t)1 << 40 : entry->size};
}

static enum iotify_result wrong_get_many(
    void *instance, struct iotify_call *call, struct iotify_read *reads, size_t count)
{
    struct store *store = instance;

    ends("get_many");
    for (size_t i = 0; i < count && store->does != GET_NOTHING; i++)
        wrong_read(call, store, &reads[i]);
    return store->does == GET_NOT_FOUND ? IOTIFY_RESULT_NOT_FOUND
                                        : wrong_result(store->does, GET_ZERO, GET_UNKNOWN);
}

static void wrong_write(struct store *store, struct iotify_write *write)
{
    struct entry **at = wrong_find(store, write->key), *entry = *at;

    if (entry && strcmp(entry->key, write->key) == 0) {
        *at = entry->next;
        free(entry->key);
        free(entry->value);
        free(entry);
    }
    if (iotify_write_removes(write))
        return;
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return;
    entry->key = strdup(write->key);
    entry->value = malloc(write->value.size + 1);
    entry->size = write->value.size;
    if (entry->value && write->value.size)
        memcpy(entry->value, write->value.data, write->value.size);
    entry->next = *at;
    *at = entry;
}

static void wrong_decide(struct store *store, struct iotify_write *writes, size_t i)
{
    struct entry *entry = *wrong_find(store, writes[i].key);
    struct iotify_bytes current = {0};

    if (entry && strcmp(entry->key, writes[i].key) == 0)
        current = (struct iotify_bytes){entry->value, entry->size};
    if (iotify_write_decide(&writes[i], i ? &writes[i - 1] : NULL, current))
        wrong_write(store, &writes[i]);
    if (store->does == APPLY_RESULT_99)
        writes[i].result = (enum iotify_result)99;
    if (store->does == APPLY_FAILED)
        writes[i].result = IOTIFY_RESULT_FAILED;
    if (store->does == APPLY_PUT_EXISTS && writes[i].kind == IOTIFY_WRITE_PUT)
        writes[i].result = IOTIFY_RESULT_EXISTS;
    if (store->does == APPLY_PUT_CONFLICT && writes[i].kind == IOTIFY_WRITE_PUT)
        writes[i].result = IOTIFY_RESULT_CONFLICT;
}

static enum iotify_result wrong_apply(
    void *instance, struct iotify_call *call, struct iotify_write *writes, size_t count)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    struct store *store = instance;

    ends("apply");
    (void)call;
    if (store->does == APPLY_NOTHING)
        return IOTIFY_RESULT_OK;
    for (size_t i = 0; i < count - (store->does == APPLY_SOME); i++)
        wrong_decide(store, writes, i);
    if (store->does == GROUP_SOME) {
        /* Others wait meanwhile, and come together in the next batch. */
        nanosleep(&pause, NULL);
        if (count >= 4)
            writes[3].result = 0;
    }
    return store->does == APPLY_UNCHANGED   ? IOTIFY_RESULT_UNCHANGED
           : store->does == APPLY_NOT_FOUND ? IOTIFY_RESULT_NOT_FOUND
                                            : wrong_result(store->does, APPLY_ZERO, APPLY_UNKNOWN);
}

static enum iotify_result wrong_flush(void *instance, struct iotify_call *call)
{
    const struct store *store = instance;

    ends("flush");
    (void)call;
    return store->does == FLUSH_LATER ? IOTIFY_RESULT_LATER
                                      : wrong_result(store->does, FLUSH_ZERO, FLUSH_UNKNOWN);
}

static enum iotify_result wrong_scan(void *instance, struct iotify_call *call, const char *prefix,
    const char *after, size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    struct store *store = instance;
    char key[3000];
    size_t count = 0;

    ends("scan");
    (void)call;
    for (struct entry *entry = store->first; entry && count < limit; entry = entry->next) {
        if (strncmp(entry->key, prefix, strlen(prefix)) != 0 ||
            (after && strcmp(entry->key, after) <= 0))
            continue;
        found(argument, entry->key);
        if (store->does == SCAN_SAME)
            found(argument, entry->key);
        count++;
    }
    memset(key, 'x', sizeof(key));
    key[sizeof(key) - 1] = '\0';
    memcpy(key, prefix, strlen(prefix));
    switch (store->does) {
    case SCAN_NULL:
        found(argument, NULL);
        break;
    case SCAN_EMPTY:
        found(argument, "");
        break;
    case SCAN_LONG:
        found(argument, key);
        break;
    case SCAN_OTHER:
        found(argument, "other");
        break;
    case SCAN_DOWN:
        found(argument, prefix);
        found(argument, prefix);
        break;
    case SCAN_MORE:
        key[1000] = '\0';
        for (; count <= limit && count < 100000; count++) {
            key[999] = (char)(' ' + count % 90);
            key[998] = (char)(' ' + count / 90 % 90);
            key[997] = (char)(' ' + count / 8100);
            found(argument, key);
        }
        break;
    default:
        break;
    }
    return wrong_result(store->does, SCAN_ZERO, SCAN_UNKNOWN);
}

static const struct iotify_storage operations = {
    IOTIFY_STORAGE_SIZES,
    .threads = IOTIFY_THREADS_PER_INSTANCE,
    .durability = IOTIFY_DURABILITY_DURABLE,
    .atomic_batch = true,
    .open = wrong_open,
    .close = wrong_close,
    .get_many = wrong_get_many,
    .apply = wrong_apply,
    .scan = wrong_scan,
    .flush = wrong_flush,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_STORAGE, .name = "wrong-storage", .version = "1",
    .summary = "breaks a rule of the contract", .settings = &settings, .operations = &operations);
