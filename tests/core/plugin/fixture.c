/* SPDX-License-Identifier: Apache-2.0 */
/* A storage plugin that does nothing, and has the defect that a macro of the build selects. */
#include <iotify/host.h>

#if defined(FIXTURE_ABI) || defined(FIXTURE_MAGIC) || defined(FIXTURE_NEEDS) ||                    \
    defined(FIXTURE_NOTHING)
#include <unistd.h>

/* The code of a plugin that is refused never runs. */
__attribute__((constructor)) static void fixture_begin(void)
{
    _exit(77);
}
#endif

struct options {
    const char *text;
};

static const struct iotify_setting items[] = {
    {.name = "text",
        .type = IOTIFY_TYPE_STRING,
#ifdef FIXTURE_SETTINGS
        .offset = 1000,
#else
        .offset = offsetof(struct options, text),
#endif
        .value = "default",
        .help = "a text"},
};
static const struct iotify_settings settings = IOTIFY_SETTINGS(items, struct options);

static enum iotify_result store_open(struct iotify_call *call, const void *options, void **instance)
{
    (void)call;
    (void)options;
    *instance = NULL;
    return IOTIFY_RESULT_OK;
}

static void store_close(void *instance)
{
    (void)instance;
}

static enum iotify_result store_get_many(
    void *instance, struct iotify_call *call, struct iotify_read *reads, size_t count)
{
    (void)instance, (void)call, (void)reads, (void)count;
    return IOTIFY_RESULT_OK;
}

static enum iotify_result store_apply(
    void *instance, struct iotify_call *call, struct iotify_write *writes, size_t count)
{
    (void)instance, (void)call, (void)writes, (void)count;
    return IOTIFY_RESULT_OK;
}

static enum iotify_result store_scan(void *instance, struct iotify_call *call, const char *prefix,
    const char *after, size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    (void)instance, (void)call, (void)prefix, (void)after, (void)limit, (void)found, (void)argument;
    return IOTIFY_RESULT_OK;
}

#ifdef FIXTURE_OPERATION
#define SCAN (0 ? store_scan : NULL)
#else
#define SCAN store_scan
#endif

static const struct iotify_storage operations = {
#ifdef FIXTURE_TABLE
    .struct_size = 4,
#else
    .struct_size = sizeof(struct iotify_storage),
#endif
    .read_size = sizeof(struct iotify_read),
#ifdef FIXTURE_SIZE
    .write_size = 3,
#else
    .write_size = sizeof(struct iotify_write),
#endif
#ifdef FIXTURE_THREADS
    .threads = (enum iotify_threads)9,
#else
    .threads = IOTIFY_THREADS_PARALLEL,
#endif
#ifdef FIXTURE_DURABILITY
    .durability = (enum iotify_durability)0,
#else
    .durability = IOTIFY_DURABILITY_DURABLE,
#endif
    .open = store_open,
    .close = store_close,
    .get_many = store_get_many,
    .apply = store_apply,
    .scan = SCAN,
};

/* A plugin for a later host: it has members after those that this host knows. */
struct newer_plugin {
    struct iotify_plugin known;
    const char *member_of_tomorrow;
};

/* Not exported under the name that a host expects. */
#ifdef FIXTURE_NOTHING
#define SYMBOL another_name
#else
#define SYMBOL iotify_plugin
#endif

IOTIFY_EXPORT extern const struct newer_plugin SYMBOL;
const struct newer_plugin SYMBOL = {
    .known =
        {
#ifdef FIXTURE_MAGIC
            .magic = 0xdeadbeef,
#else
            .magic = IOTIFY_MAGIC,
#endif
#if defined(FIXTURE_SHORT)
            .struct_size = 16,
#elif defined(FIXTURE_OLDER)
            .struct_size = offsetof(struct iotify_plugin, actions),
#elif defined(FIXTURE_NEWER)
            .struct_size = sizeof(struct newer_plugin),
#else
            .struct_size = sizeof(struct iotify_plugin),
#endif
#ifdef FIXTURE_ABI
            .abi_major = IOTIFY_ABI_MAJOR + 1,
#else
            .abi_major = IOTIFY_ABI_MAJOR,
#endif
#ifdef FIXTURE_NEWER
            .abi_minor = IOTIFY_ABI_MINOR + 1,
#else
            .abi_minor = IOTIFY_ABI_MINOR,
#endif
#ifdef FIXTURE_NEEDS
            .needs_minor = IOTIFY_ABI_MINOR + 1,
#endif
#ifdef FIXTURE_KIND
            .kind = (enum iotify_kind)9,
#else
            .kind = IOTIFY_KIND_STORAGE,
#endif
#ifdef FIXTURE_NAME
            .name = "another",
#else
            .name = FIXTURE_FILE,
#endif
            .version = "1",
            .summary = "a fixture",
            .settings = &settings,
            .operations = &operations,
#ifdef FIXTURE_OLDER
            /* Beyond the size that it declares: a host must not read this. */
            .action_count = 77,
#endif
        },
    .member_of_tomorrow = "unknown",
};
