/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage in a folder with one file per key, which can be inspected with a shell. A write goes to a
 * temporary file, which is synced and renamed; then the folder is synced.
 *
 * The file name is the key with all bytes but letters, digits and `_-` escaped as %XX. A name that
 * is too long for one folder entry continues in a subfolder whose name ends in `+`.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iotify/buffer.h>
#include <iotify/host.h>
#include <iotify/text.h>

#define PART 200 /* bytes of an escaped key in one folder entry */
#define TEMPORARY ".writing"
#define NAME_BYTES_MAX (IOTIFY_KEY_MAX * 3 + IOTIFY_KEY_MAX * 3 / PART * 2 + 64)

struct file_options {
    const char *path;
};

struct file_store {
    int folder; /* descriptor */
    char path[4096];
};

static const struct iotify_setting items[] = {
    {.name = "path",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_PATH,
        .offset = offsetof(struct file_options, path),
        .value = "{job}.glob",
        .help = "the folder, relative to the job file"},
};
static const struct iotify_settings settings = IOTIFY_SETTINGS(items, struct file_options);

static enum iotify_result file_fail(struct iotify_call *call, const char *doing, const char *name)
{
    int error = errno;

    if (error == ENOSPC || error == EDQUOT)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "DiskFull",
            "%s %s: the disk is full; free disk space and run the same command again", doing, name);
    if (error == EACCES || error == EPERM || error == EROFS)
        return call->host->fail(call, IOTIFY_RESULT_DENIED, "StoreDenied",
            "%s %s: %s; check its permissions", doing, name, strerror(error));
    return call->host->fail(
        call, IOTIFY_RESULT_FAILED, "StoreFailed", "%s %s: %s", doing, name, strerror(error));
}

/* ------------------------------------------------------------------ names */

static bool file_is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* The path of a key, relative to the store's folder. */
static void file_escape(const char *key, char *name, size_t size)
{
    size_t used = 0, part = 0;

    for (; *key && used + 8 < size; key++) {
        size_t length = file_is_plain(*key) ? 1 : 3;

        if (part + length > PART) {
            name[used++] = '+';
            name[used++] = '/';
            part = 0;
        }
        if (length == 1)
            name[used] = *key;
        else
            snprintf(name + used, 4, "%%%02X", (unsigned char)*key);
        used += length;
        part += length;
    }
    name[used] = '\0';
}

/* Append the part of a key that a folder entry names; false when it is not a name of this store. */
static bool file_unescape(const char *name, size_t length, struct iotify_buffer *key)
{
    for (size_t i = 0; i < length; i++) {
        int high, low;

        if (file_is_plain(name[i])) {
            iotify_buffer_char(key, name[i]);
            continue;
        }
        if (name[i] != '%' || i + 2 >= length)
            return false;
        high = iotify_hex_digit(name[i + 1]);
        low = iotify_hex_digit(name[i + 2]);
        if (high < 0 || low < 0)
            return false;
        iotify_buffer_char(key, (char)(high * 16 + low));
        i += 2;
    }
    return !key->failed;
}

/* ------------------------------------------------------------------ open, read */

static void file_close(void *instance)
{
    struct file_store *store = instance;

    if (store->folder >= 0)
        close(store->folder);
    free(store);
}

/* Open the folder, with `create` after creating it. IOTIFY_RESULT_NOT_FOUND: it does not exist. */
static enum iotify_result file_open_folder(
    struct iotify_call *call, struct file_store *store, bool create)
{
    int folder;

    if (store->folder >= 0)
        return IOTIFY_RESULT_OK;
    if (create && mkdir(store->path, 0700) != 0 && errno != EEXIST)
        return file_fail(call, "cannot open the store", store->path);
    folder = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 && errno == ENOENT)
        return IOTIFY_RESULT_NOT_FOUND;
    if (folder < 0)
        return file_fail(call, "cannot open the store", store->path);
    if (flock(folder, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(folder);
        return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "StoreBusy",
            "another process uses the store %s; wait for it to end", store->path);
    }
    store->folder = folder;
    return IOTIFY_RESULT_OK;
}

static enum iotify_result file_open(struct iotify_call *call, const void *given, void **instance)
{
    const struct file_options *options = given;
    struct file_store *store = calloc(1, sizeof(*store));
    enum iotify_result result;

    if (!store)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    store->folder = -1;
    snprintf(store->path, sizeof(store->path), "%s", options->path);
    result = file_open_folder(call, store, false);
    if (result != IOTIFY_RESULT_OK && result != IOTIFY_RESULT_NOT_FOUND) {
        file_close(store);
        return result;
    }
    *instance = store;
    return IOTIFY_RESULT_OK;
}

/* Read the value of a key; `data` is NULL when it is absent. */
static enum iotify_result file_get(struct iotify_call *call, const struct file_store *store,
    const char *key, struct iotify_bytes *out)
{
    char name[NAME_BYTES_MAX];
    struct stat about;
    char *data;
    size_t used = 0;
    ssize_t got = 0;
    int descriptor;

    *out = (struct iotify_bytes){0};
    file_escape(key, name, sizeof(name));
    descriptor = openat(store->folder, name, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return errno == ENOENT ? IOTIFY_RESULT_OK : file_fail(call, "cannot read", name);
    if (fstat(descriptor, &about) != 0 || about.st_size > IOTIFY_VALUE_MAX) {
        close(descriptor);
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "StoreFailed", "%s is too large", name);
    }
    data = call->host->alloc(call, (size_t)about.st_size + 1);
    while (used < (size_t)about.st_size &&
           (got = read(descriptor, data + used, (size_t)about.st_size - used)) > 0)
        used += (size_t)got;
    close(descriptor);
    if (got < 0)
        return file_fail(call, "cannot read", name);
    *out = (struct iotify_bytes){data, used};
    return IOTIFY_RESULT_OK;
}

static enum iotify_result file_get_many(
    void *instance, struct iotify_call *call, struct iotify_read *reads, size_t count)
{
    enum iotify_result result = file_open_folder(call, instance, false);

    if (result == IOTIFY_RESULT_NOT_FOUND) {
        for (size_t i = 0; i < count; i++)
            reads[i].result = IOTIFY_RESULT_NOT_FOUND;
        return IOTIFY_RESULT_OK;
    }
    for (size_t i = 0; i < count && result == IOTIFY_RESULT_OK; i++) {
        result = file_get(call, instance, reads[i].key, &reads[i].value);
        reads[i].result = reads[i].value.data ? IOTIFY_RESULT_OK : IOTIFY_RESULT_NOT_FOUND;
    }
    return result;
}

/* ------------------------------------------------------------------ write */

static bool file_write_all(int descriptor, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t done = write(descriptor, data, size);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        data += done;
        size -= (size_t)done;
    }
    return true;
}

/* Make a rename or removal durable by syncing the folder of the name, and the store's folder. */
static bool file_sync_folder(const struct file_store *store, const char *name)
{
    char folder[NAME_BYTES_MAX];
    const char *slash = strrchr(name, '/');
    bool done;
    int descriptor;

    if (!slash)
        return fsync(store->folder) == 0;
    memcpy(folder, name, (size_t)(slash - name));
    folder[slash - name] = '\0';
    descriptor = openat(store->folder, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    done = fsync(descriptor) == 0 && fsync(store->folder) == 0;
    close(descriptor);
    return done;
}

/* Create the subfolders that a long key needs. */
static bool file_make_folders(const struct file_store *store, char *name)
{
    for (char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdirat(store->folder, name, 0700) != 0 ? errno != EEXIST
                                                    : !file_sync_folder(store, name))
            return false;
        *slash = '/';
    }
    return true;
}

static bool file_put(const struct file_store *store, char *name, struct iotify_bytes value)
{
    int descriptor =
        openat(store->folder, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool done;
    int error;

    if (descriptor < 0)
        return false;
    done = file_write_all(descriptor, value.data, value.size) && fsync(descriptor) == 0;
    error = errno;
    close(descriptor);
    if (done && file_make_folders(store, name) &&
        renameat(store->folder, TEMPORARY, store->folder, name) == 0)
        return file_sync_folder(store, name);
    if (!done)
        errno = error;
    error = errno;
    unlinkat(store->folder, TEMPORARY, 0);
    errno = error;
    return false;
}

static bool file_delete(const struct file_store *store, const char *name)
{
    /* Sync the folder also for a missing file: an earlier removal may not be durable yet. */
    if (unlinkat(store->folder, name, 0) != 0 && errno != ENOENT)
        return false;
    return file_sync_folder(store, name) || errno == ENOENT;
}

static enum iotify_result file_apply(
    void *instance, struct iotify_call *call, struct iotify_write *writes, size_t count)
{
    const struct file_store *store = instance;
    enum iotify_result result = file_open_folder(call, instance, true);

    for (size_t i = 0; i < count && result == IOTIFY_RESULT_OK; i++) {
        struct iotify_bytes current = {0};
        char name[NAME_BYTES_MAX];

        if (iotify_write_needs_current(&writes[i]))
            result = file_get(call, store, writes[i].key, &current);
        if (result != IOTIFY_RESULT_OK)
            return result;
        if (!iotify_write_decide(&writes[i], i ? &writes[i - 1] : NULL, current))
            continue;
        file_escape(writes[i].key, name, sizeof(name));
        if (iotify_write_removes(&writes[i]) ? !file_delete(store, name)
                                             : !file_put(store, name, writes[i].value))
            return file_fail(call, "cannot write", name);
    }
    return result;
}

/* ------------------------------------------------------------------ scan */

struct file_keys {
    char **items;
    size_t count, capacity;
    bool failed;
};

static void file_add_key(struct file_keys *keys, const char *key)
{
    if (keys->count == keys->capacity) {
        size_t capacity = keys->capacity ? keys->capacity * 2 : 256;
        char **grown = realloc(keys->items, capacity * sizeof(*grown));

        if (!grown) {
            keys->failed = true;
            return;
        }
        keys->items = grown;
        keys->capacity = capacity;
    }
    keys->items[keys->count] = strdup(key);
    if (keys->items[keys->count])
        keys->count++;
    else
        keys->failed = true;
}

static void file_collect(int folder, const char *before, const char *prefix, struct file_keys *keys)
{
    DIR *directory = fdopendir(folder);
    const struct dirent *entry;

    if (!directory) {
        close(folder);
        keys->failed = true;
        return;
    }
    while (errno = 0, (entry = readdir(directory))) {
        size_t length = strlen(entry->d_name);
        bool deeper = entry->d_name[length - 1] == '+';
        struct iotify_buffer key;

        iotify_buffer_init(&key, IOTIFY_KEY_MAX);
        iotify_buffer_string(&key, before);
        if (file_unescape(entry->d_name, length - deeper, &key)) {
            const char *text = iotify_buffer_text(&key);

            if (deeper) {
                int next =
                    openat(dirfd(directory), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (next >= 0)
                    file_collect(next, text, prefix, keys);
                else
                    keys->failed = true;
            } else if (strncmp(text, prefix, strlen(prefix)) == 0) {
                file_add_key(keys, text);
            }
        }
        iotify_buffer_clear(&key);
    }
    if (errno)
        keys->failed = true;
    closedir(directory);
}

static int file_compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum iotify_result file_scan(void *instance, struct iotify_call *call, const char *prefix,
    const char *after, size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    const struct file_store *store = instance;
    struct file_keys keys = {0};
    enum iotify_result result = file_open_folder(call, instance, false);
    int folder;

    if (result != IOTIFY_RESULT_OK)
        return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_OK : result;
    folder = openat(store->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return file_fail(call, "cannot list", store->path);
    file_collect(folder, "", prefix, &keys);
    if (keys.count)
        qsort(keys.items, keys.count, sizeof(*keys.items), file_compare_keys);
    for (size_t i = 0; i < keys.count; i++) {
        if (!keys.failed && limit > 0 && (!after || strcmp(keys.items[i], after) > 0)) {
            found(argument, keys.items[i]);
            limit--;
        }
        free(keys.items[i]);
    }
    free(keys.items);
    return keys.failed ? call->host->fail(
                             call, IOTIFY_RESULT_FULL, "NoMemory", "cannot list %s", store->path)
                       : IOTIFY_RESULT_OK;
}

static const struct iotify_storage operations = {
    IOTIFY_STORAGE_SIZES,
    .threads = IOTIFY_THREADS_PER_INSTANCE,
    .durability = IOTIFY_DURABILITY_DURABLE,
    .open = file_open,
    .close = file_close,
    .get_many = file_get_many,
    .apply = file_apply,
    .scan = file_scan,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_STORAGE, .name = "file", .version = IOTIFY_VERSION,
    .summary = "a folder with a file for each key", .settings = &settings,
    .operations = &operations);
