/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A minimal storage plugin that keeps a single value. Build it against the installed SDK:
 *
 *     cmake -B build -DCMAKE_PREFIX_PATH=/usr/local && cmake --build build
 *
 * Then name its folder: IOTIFY_PLUGIN_PATH=build iotifyd plugins example
 */
#include <stdlib.h>
#include <string.h>

#include <iotify/host.h>
#include <iotify/storage.h>

/* The settings of the plugin, as in a job file: `glob: {use: example, greeting: hello}`. */
struct example_options {
    const char *greeting;
};

static const struct iotify_setting example_items[] = {
    {.name = "greeting",
        .type = IOTIFY_STRING,
        .offset = offsetof(struct example_options, greeting),
        .value = "hello",
        .help = "said when the store opens"},
};
static const struct iotify_settings example_settings =
    IOTIFY_SETTINGS(example_items, struct example_options);

struct example_store {
    char key[IOTIFY_KEY_MAX + 1];
    char *value; /* NULL: empty */
    size_t size;
};

static enum iotify_result example_open(struct iotify_call *call, const void *given, void **instance)
{
    const struct example_options *options = given;

    *instance = calloc(1, sizeof(struct example_store));
    if (!*instance)
        return call->host->fail(call, IOTIFY_FULL, "NoMemory", "out of memory");
    call->host->log(call, IOTIFY_INFO, "%s from the example", options->greeting);
    return IOTIFY_OK;
}

static void example_close(void *instance)
{
    free(((struct example_store *)instance)->value);
    free(instance);
}

static bool example_holds(const struct example_store *store, const char *key)
{
    return store->value && strcmp(store->key, key) == 0;
}

static enum iotify_result example_get_many(
    void *instance, struct iotify_call *call, struct iotify_read *reads, size_t count)
{
    const struct example_store *store = instance;

    for (size_t i = 0; i < count; i++) {
        reads[i].found = example_holds(store, reads[i].key);
        if (reads[i].found) {
            char *copy = call->host->alloc(call, store->size + 1);

            memcpy(copy, store->value, store->size);
            reads[i].value = (struct iotify_bytes){copy, store->size};
        }
    }
    return IOTIFY_OK;
}

static enum iotify_result example_apply(
    void *instance, struct iotify_call *call, struct iotify_write *writes, size_t count)
{
    struct example_store *store = instance;

    for (size_t i = 0; i < count; i++) {
        struct iotify_bytes current = {0};
        char *copy;

        if (example_holds(store, writes[i].key))
            current = (struct iotify_bytes){store->value, store->size};
        /* The SDK implements the rules that all backends share. */
        if (!iotify_write_decide(&writes[i], i ? &writes[i - 1] : NULL, current))
            continue;
        if (iotify_write_removes(&writes[i]) && !current.data)
            continue;
        copy = iotify_write_removes(&writes[i]) ? NULL : malloc(writes[i].value.size + 1);
        if (!iotify_write_removes(&writes[i]) && !copy)
            return call->host->fail(call, IOTIFY_FULL, "NoMemory", "out of memory");
        if (copy && writes[i].value.size)
            memcpy(copy, writes[i].value.data, writes[i].value.size);
        free(store->value);
        store->value = copy;
        store->size = writes[i].value.size;
        memcpy(store->key, writes[i].key, strlen(writes[i].key) + 1);
    }
    return IOTIFY_OK;
}

static enum iotify_result example_scan(void *instance, struct iotify_call *call, const char *prefix,
    const char *after, size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    const struct example_store *store = instance;

    (void)call;
    if (store->value && limit && strncmp(store->key, prefix, strlen(prefix)) == 0 &&
        (!after || strcmp(store->key, after) > 0))
        found(argument, store->key);
    return IOTIFY_OK;
}

static const struct iotify_storage example_operations = {
    .struct_size = sizeof(example_operations),
    .threads = IOTIFY_PER_INSTANCE,
    .durability = IOTIFY_VOLATILE,
    .open = example_open,
    .close = example_close,
    .get_many = example_get_many,
    .apply = example_apply,
    .scan = example_scan,
};

IOTIFY_EXPORT const struct iotify_plugin iotify_plugin = {
    .magic = IOTIFY_MAGIC,
    .struct_size = sizeof(iotify_plugin),
    .abi_major = IOTIFY_ABI_MAJOR,
    .abi_minor = IOTIFY_ABI_MINOR,
    .kind = IOTIFY_STORAGE,
    .name = "example",
    .version = "1.0",
    .summary = "keeps one value, to show how a plugin is made",
    .settings = &example_settings,
    .operations = &example_operations,
};
