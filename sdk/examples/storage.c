/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A storage plugin: it keeps the values in memory, and appends each batch of writes to a file, from
 * which they are read when the store is opened. In a job file:
 *
 *     plugins: {glob: {use: example, path: my.log}}
 *
 * The file only grows. The source is valid C11 and C++20, with the functions of POSIX.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iotify/buffer.h>
#include <iotify/host.h>
#include <iotify/storage.h>

/* ------------------------------------------------------------------ settings */

struct example_options {
    const char *path;
};

static const struct iotify_setting example_items[] = {
    {.name = "path",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_PATH,
        .offset = offsetof(struct example_options, path),
        .value = "{job}.log",
        .help = "file that keeps the values"},
};
static const struct iotify_settings example_settings =
    IOTIFY_SETTINGS(example_items, struct example_options);

/* ------------------------------------------------------------------ values in memory */

struct example_entry {
    char *key, *value;
    size_t size;
};

struct example_store {
    const char *path;
    int file;                      /* -1: there is none yet */
    off_t end;                     /* where the next batch goes */
    bool ready;                    /* the file ends there, and its name is durable */
    bool broken;                   /* what the file holds is not known */
    struct example_entry *entries; /* in the order of their keys */
    size_t count, capacity;
};

/* The index of the first entry that is not before `key`. */
static size_t example_find(const struct example_store *store, const char *key)
{
    size_t low = 0, high = store->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (strcmp(store->entries[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct iotify_bytes example_value(const struct example_store *store, const char *key)
{
    size_t at = example_find(store, key);

    struct iotify_bytes value = {NULL, 0};

    if (at < store->count && strcmp(store->entries[at].key, key) == 0) {
        value.data = store->entries[at].value;
        value.size = store->entries[at].size;
    }
    return value;
}

/* A value may be a private key. */
static void example_free_entry(struct example_entry *entry)
{
    if (entry->value)
        explicit_bzero(entry->value, entry->size);
    free(entry->key);
    free(entry->value);
}

static void example_remove(struct example_store *store, const char *key)
{
    size_t at = example_find(store, key);

    if (at == store->count || strcmp(store->entries[at].key, key) != 0)
        return;
    example_free_entry(&store->entries[at]);
    memmove(&store->entries[at], &store->entries[at + 1],
        (store->count - at - 1) * sizeof(store->entries[0]));
    store->count--;
}

/* False without memory; the store is then as before. */
static bool example_put(
    struct example_store *store, const char *key, const void *value, size_t size)
{
    struct example_entry entry = {strdup(key), (char *)malloc(size + 1), size};
    size_t at;

    if (store->count == store->capacity) {
        size_t capacity = store->capacity ? 2 * store->capacity : 64;
        struct example_entry *larger =
            (struct example_entry *)realloc(store->entries, capacity * sizeof(*larger));

        if (larger) {
            store->entries = larger;
            store->capacity = capacity;
        }
    }
    if (!entry.key || !entry.value || store->count == store->capacity) {
        free(entry.key);
        free(entry.value);
        return false;
    }
    if (size)
        memcpy(entry.value, value, size);
    entry.value[size] = '\0';
    example_remove(store, key);
    at = example_find(store, key);
    memmove(&store->entries[at + 1], &store->entries[at],
        (store->count - at) * sizeof(store->entries[0]));
    store->entries[at] = entry;
    store->count++;
    return true;
}

/* ------------------------------------------------------------------ the file */

/*
 * The file is a mark and a row of batches: a header, then for each change its key and value. The
 * last batch may be cut off by a crash; it is dropped. Anything else that is not as it was written
 * is damage, and an error: nothing is overwritten then.
 */
#define EXAMPLE_MARK "example1"
#define EXAMPLE_MARK_SIZE (sizeof(EXAMPLE_MARK) - 1)

struct example_header {
    uint64_t size;     /* of what follows */
    uint64_t inverted; /* ~size: is this a header? */
    uint64_t sum;
};

struct example_change {
    uint32_t key_size;
    uint32_t value_size;
    uint32_t removes;
};

#define EXAMPLE_BATCH_MAX (SIZE_MAX / 4)

static uint64_t example_sum(const char *bytes, size_t size)
{
    uint64_t sum = UINT64_C(14695981039346656037) ^ size;

    for (size_t i = 0; i < size; i++)
        sum = (sum ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
    return sum;
}

static bool example_write_all(int file, const char *bytes, size_t size, off_t at)
{
    while (size) {
        ssize_t written = pwrite(file, bytes, size, at);

        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            bytes += written;
            at += written;
            size -= (size_t)written;
        }
    }
    return true;
}

/* False after an error, with errno; a file that has become shorter is one. */
static bool example_read_all(int file, char *bytes, size_t size)
{
    off_t at = 0;

    while (size) {
        ssize_t got = pread(file, bytes, size, at);

        if (got == 0)
            errno = EIO;
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        if (got > 0) {
            bytes += got;
            at += got;
            size -= (size_t)got;
        }
    }
    return true;
}

static bool example_is_zero(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

/* Carry out the changes of one batch, whose sum is right. False without memory. */
static bool example_replay(struct example_store *store, const char *bytes, size_t size)
{
    while (size) {
        struct example_change change;
        const char *key, *value;

        if (size < sizeof(change))
            return false;
        memcpy(&change, bytes, sizeof(change));
        bytes += sizeof(change);
        size -= sizeof(change);
        if (change.key_size == 0 || change.key_size > size ||
            change.value_size > size - change.key_size || bytes[change.key_size - 1])
            return false;
        key = bytes;
        value = bytes + change.key_size;
        bytes += change.key_size + change.value_size;
        size -= change.key_size + change.value_size;
        if (change.removes)
            example_remove(store, key);
        else if (!example_put(store, key, value, change.value_size))
            return false;
    }
    return true;
}

/* The name of a new file is durable when its folder is. */
static bool example_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int descriptor = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool good = descriptor >= 0 && fsync(descriptor) == 0;

    if (descriptor >= 0)
        close(descriptor);
    free(folder);
    return good;
}

/* ------------------------------------------------------------------ open, close */

static enum iotify_result example_fail(
    struct iotify_call *call, const struct example_store *store, const char *what)
{
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

    return call->host->fail(call, full ? IOTIFY_RESULT_FULL : IOTIFY_RESULT_FAILED, "FileFailed",
        "%s: %s: %s", store->path, what, strerror(errno));
}

/* An absent record would be the worst answer. */
static enum iotify_result example_fail_broken(
    struct iotify_call *call, const struct example_store *store)
{
    return call->host->fail(call, IOTIFY_RESULT_FAILED, "InDoubt",
        "%s: a write has failed, and what the file holds is not known; start again", store->path);
}

static void example_remove_all(struct example_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        example_free_entry(&store->entries[i]);
    store->count = 0;
}

static void example_close(void *instance)
{
    struct example_store *store = (struct example_store *)instance;

    example_remove_all(store);
    if (store->file >= 0)
        close(store->file);
    free(store->entries);
    free(store);
}

enum example_part { EXAMPLE_WHOLE, EXAMPLE_CUT_OFF, EXAMPLE_DAMAGED };

/* What begins at `at`, where the bytes do not end. */
static enum example_part example_look_at(
    const char *bytes, size_t size, size_t at, struct example_header *header)
{
    size_t rest = size - at;

    /* A file can be longer than what was written: the system adds zeros. */
    if (rest < sizeof(*header) || example_is_zero(bytes + at, rest))
        return EXAMPLE_CUT_OFF;
    memcpy(header, bytes + at, sizeof(*header));
    rest -= sizeof(*header);
    if (header->inverted != ~header->size)
        return example_is_zero(bytes + at + sizeof(*header), rest) ? EXAMPLE_CUT_OFF
                                                                   : EXAMPLE_DAMAGED;
    if (header->size > rest)
        return EXAMPLE_CUT_OFF;
    if (example_sum(bytes + at + sizeof(*header), header->size) == header->sum)
        return EXAMPLE_WHOLE;
    return header->size == rest ? EXAMPLE_CUT_OFF : EXAMPLE_DAMAGED;
}

/* Carry out all batches, and find where the next one goes. */
static enum iotify_result example_parse(
    struct example_store *store, struct iotify_call *call, const char *bytes, size_t size)
{
    size_t mark = size < EXAMPLE_MARK_SIZE ? size : EXAMPLE_MARK_SIZE, at = EXAMPLE_MARK_SIZE;
    enum example_part part = EXAMPLE_WHOLE;

    store->end = 0;
    if (memcmp(bytes, EXAMPLE_MARK, mark) != 0 && !example_is_zero(bytes, size))
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "NotAStore",
            "%s: it is no file of this plugin; name another", store->path);
    if (size < EXAMPLE_MARK_SIZE || bytes[0] == '\0')
        return IOTIFY_RESULT_OK;
    while (at < size && part == EXAMPLE_WHOLE) {
        struct example_header header;

        part = example_look_at(bytes, size, at, &header);
        if (part != EXAMPLE_WHOLE)
            break;
        if (!example_replay(store, bytes + at + sizeof(header), header.size))
            return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
        at += sizeof(header) + header.size;
    }
    if (part == EXAMPLE_DAMAGED)
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "FileDamaged",
            "%s: it is damaged at byte %zu; restore it from a backup", store->path, at);
    store->end = (off_t)at;
    return IOTIFY_RESULT_OK;
}

static enum iotify_result example_load(struct example_store *store, struct iotify_call *call)
{
    enum iotify_result result;
    struct stat about;
    char *bytes;
    size_t size;

    if (fstat(store->file, &about) != 0)
        return example_fail(call, store, "cannot look at it");
    if (!S_ISREG(about.st_mode))
        return call->host->fail(
            call, IOTIFY_RESULT_FAILED, "NotAStore", "%s: it is not a regular file", store->path);
    size = (size_t)about.st_size;
    bytes = (char *)malloc(size + 1);
    if (!bytes)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    if (example_read_all(store->file, bytes, size))
        result = example_parse(store, call, bytes, size);
    else
        result = example_fail(call, store, "cannot read it");
    explicit_bzero(bytes, size);
    free(bytes);
    return result;
}

/* Lock and read the file that was opened; one process may have it open, and once. */
static enum iotify_result example_take_file(struct example_store *store, struct iotify_call *call)
{
    if (flock(store->file, LOCK_EX | LOCK_NB) != 0)
        return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "InUse",
            "%s: it is open already, perhaps by another process; wait for that to end",
            store->path);
    return example_load(store, call);
}

/* Open the file, if it exists or `create`. After an error it is not open. */
static enum iotify_result example_open_file(
    struct example_store *store, struct iotify_call *call, bool create)
{
    enum iotify_result result;

    /* Without O_NONBLOCK, a pipe of this name would wait for a writer. */
    store->file = open(
        store->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (create ? O_CREAT : 0), 0600);
    if (store->file < 0)
        return errno == ENOENT && !create ? IOTIFY_RESULT_OK
                                          : example_fail(call, store, "cannot open it");
    result = example_take_file(store, call);
    if (result != IOTIFY_RESULT_OK) {
        close(store->file);
        store->file = -1;
        example_remove_all(store);
    }
    return result;
}

static enum iotify_result example_open(struct iotify_call *call, const void *given, void **instance)
{
    const struct example_options *options = (const struct example_options *)given;
    struct example_store *store = (struct example_store *)calloc(1, sizeof(*store));
    enum iotify_result result;

    if (!store)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    store->path = options->path;
    store->file = -1;
    result = example_open_file(store, call, false);
    if (result == IOTIFY_RESULT_OK)
        *instance = store;
    else
        example_close(store);
    return result;
}

/* ------------------------------------------------------------------ operations */

static enum iotify_result example_get_many(
    void *instance, struct iotify_call *call, struct iotify_read *reads, size_t count)
{
    const struct example_store *store = (const struct example_store *)instance;

    if (store->broken)
        return example_fail_broken(call, store);
    for (size_t i = 0; i < count; i++) {
        struct iotify_bytes value = example_value(store, reads[i].key);
        char *copy;

        reads[i].result = value.data ? IOTIFY_RESULT_OK : IOTIFY_RESULT_NOT_FOUND;
        if (!value.data)
            continue;
        copy = (char *)call->host->alloc(call, value.size + 1);
        memcpy(copy, value.data, value.size);
        reads[i].value.data = copy;
        reads[i].value.size = value.size;
    }
    return IOTIFY_RESULT_OK;
}

static void example_add_change(struct iotify_buffer *batch, const struct iotify_write *write)
{
    bool removes = iotify_write_removes(write);
    const struct example_change change = {.key_size = (uint32_t)strlen(write->key) + 1,
        .value_size = removes ? 0 : (uint32_t)write->value.size,
        .removes = removes};

    iotify_buffer_append(batch, &change, sizeof(change));
    iotify_buffer_append(batch, write->key, change.key_size);
    if (change.value_size)
        iotify_buffer_append(batch, write->value.data, change.value_size);
}

/* Before the first batch: drop what a crash has cut off, and make the name of a new file durable.
 */
static enum iotify_result example_make_ready(struct example_store *store, struct iotify_call *call)
{
    bool is_new = store->end == 0;

    if (ftruncate(store->file, store->end) != 0 ||
        (is_new && (!example_write_all(store->file, EXAMPLE_MARK, EXAMPLE_MARK_SIZE, 0) ||
                       fdatasync(store->file) != 0)))
        return example_fail(call, store, "cannot write to it");
    if (is_new && !example_sync_folder(store->path))
        return example_fail(call, store, "cannot make its name durable");
    if (is_new)
        store->end = EXAMPLE_MARK_SIZE;
    store->ready = true;
    return IOTIFY_RESULT_OK;
}

/* Memory is ahead of the file: go back to what it held before, or to nothing that is believed. */
static void example_take_back(struct example_store *store, struct iotify_call *call)
{
    off_t end = store->end;

    example_remove_all(store);
    store->broken = ftruncate(store->file, end) != 0 || fdatasync(store->file) != 0 ||
                    example_load(store, call) != IOTIFY_RESULT_OK || store->end != end;
}

static enum iotify_result example_write_batch(
    struct example_store *store, struct iotify_call *call, struct iotify_buffer *batch)
{
    struct example_header header;

    header.size = batch->size - sizeof(header);
    header.inverted = ~header.size;
    header.sum = example_sum(batch->data + sizeof(header), header.size);
    memcpy(batch->data, &header, sizeof(header));
    if (!example_write_all(store->file, batch->data, batch->size, store->end) ||
        fdatasync(store->file) != 0)
        return example_fail(call, store, "cannot write to it");
    store->end += (off_t)batch->size;
    return IOTIFY_RESULT_OK;
}

/*
 * What a write sees depends on those before it in the batch, so each is carried out in memory at
 * once, before the file is written.
 */
static enum iotify_result example_apply(
    void *instance, struct iotify_call *call, struct iotify_write *writes, size_t count)
{
    struct example_store *store = (struct example_store *)instance;
    struct example_header header = {0, 0, 0};
    enum iotify_result result = IOTIFY_RESULT_OK;
    struct iotify_buffer batch;

    if (store->broken)
        return example_fail_broken(call, store);
    if (store->file < 0)
        result = example_open_file(store, call, true);
    if (result == IOTIFY_RESULT_OK && !store->ready)
        result = example_make_ready(store, call);
    if (result != IOTIFY_RESULT_OK)
        return result;
    iotify_buffer_init(&batch, EXAMPLE_BATCH_MAX);
    iotify_buffer_append(&batch, &header, sizeof(header));
    for (size_t i = 0; i < count; i++) {
        /* The SDK implements the rules that all backends share. */
        if (!iotify_write_decide(
                &writes[i], i ? &writes[i - 1] : NULL, example_value(store, writes[i].key)))
            continue;
        example_add_change(&batch, &writes[i]);
        if (iotify_write_removes(&writes[i]))
            example_remove(store, writes[i].key);
        else if (!example_put(store, writes[i].key, writes[i].value.data, writes[i].value.size))
            batch.failed = true;
    }
    if (batch.failed)
        result = call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    else if (batch.size > sizeof(header))
        result = example_write_batch(store, call, &batch);
    iotify_buffer_wipe(&batch);
    if (result != IOTIFY_RESULT_OK)
        example_take_back(store, call);
    return result;
}

static enum iotify_result example_scan(void *instance, struct iotify_call *call, const char *prefix,
    const char *after, size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    const struct example_store *store = (const struct example_store *)instance;
    size_t at = example_find(store, after && strcmp(after, prefix) > 0 ? after : prefix);

    if (store->broken)
        return example_fail_broken(call, store);
    for (; at < store->count && limit > 0; at++) {
        const char *key = store->entries[at].key;

        if (strncmp(key, prefix, strlen(prefix)) != 0)
            break;
        if (after && strcmp(key, after) <= 0)
            continue;
        found(argument, key);
        limit--;
    }
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ the plugin */

static const struct iotify_storage example_operations = {
    IOTIFY_STORAGE_SIZES,
    .threads = IOTIFY_THREADS_PER_INSTANCE,
    .durability = IOTIFY_DURABILITY_DURABLE,
    .atomic_batch = true,
    .open = example_open,
    .close = example_close,
    .get_many = example_get_many,
    .apply = example_apply,
    .scan = example_scan,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_STORAGE, .name = "example", .version = "1.0",
    .summary = "values in memory and in a file to which changes are appended",
    .settings = &example_settings, .operations = &example_operations);
