/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/key_pool.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".key"
#define NAME_BYTES 64

/* A key and its file. The process that deletes the file may use the key. */
struct key_pool_entry {
    EVP_PKEY *key;
    char file[NAME_BYTES]; /* "": in memory only */
};

struct key_pool {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int folder; /* descriptor; -1: none */
    struct key_pool_entry *entries;
    size_t count, size;
    bool started, closing;
};

/* ------------------------------------------------------------------ the folder */

static int key_pool_make_folder(const char *path)
{
    char part[4096];

    for (const char *slash = path; *slash; slash++) {
        if (*slash != '/' || slash == path || (size_t)(slash - path) >= sizeof(part))
            continue;
        memcpy(part, path, (size_t)(slash - path));
        part[slash - path] = '\0';
        mkdir(part, 0700);
    }
    mkdir(path, 0700);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int key_pool_open_folder(const char *given)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char path[4096] = "";
    struct stat about;
    int folder;

    if (given)
        snprintf(path, sizeof(path), "%s", given);
    else if (cache && *cache == '/')
        snprintf(path, sizeof(path), "%s/iotify-sandbox/keys", cache);
    else if (home && *home == '/')
        snprintf(path, sizeof(path), "%s/.cache/iotify-sandbox/keys", home);
    folder = *path ? key_pool_make_folder(path) : -1;
    /* Do not trust a folder that other users can read or write. */
    if (folder >= 0 && (fstat(folder, &about) != 0 || about.st_uid != geteuid() ||
                           (about.st_mode & (S_IRWXG | S_IRWXO)))) {
        close(folder);
        folder = -1;
    }
    return folder;
}

static EVP_PKEY *key_pool_read_key(int folder, const char *name)
{
    int descriptor = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *stream = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    EVP_PKEY *key = stream ? PEM_read_PrivateKey(stream, NULL, NULL, "") : NULL;

    if (stream)
        fclose(stream);
    ERR_clear_error();
    if (key && EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) == 2048)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static void key_pool_write_key(int folder, struct key_pool_entry *entry)
{
    char temporary[NAME_BYTES];
    uint64_t number;
    int descriptor;
    FILE *stream;
    bool good;

    entry->file[0] = '\0';
    if (folder < 0 || RAND_bytes((unsigned char *)&number, sizeof(number)) != 1)
        return;
    snprintf(temporary, sizeof(temporary), "%016llx.new", (unsigned long long)number);
    descriptor = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    stream = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (!stream)
        return;
    good = PEM_write_PrivateKey(stream, entry->key, NULL, NULL, 0, NULL, NULL) == 1;
    good = fclose(stream) == 0 && good;
    snprintf(entry->file, sizeof(entry->file), "%016llx" SUFFIX, (unsigned long long)number);
    if (!good || renameat(folder, temporary, folder, entry->file) != 0) {
        unlinkat(folder, temporary, 0);
        entry->file[0] = '\0';
    }
}

static bool key_pool_is_key_file(const char *name)
{
    size_t length = strlen(name), suffix = strlen(SUFFIX);

    return length > suffix && length < NAME_BYTES && strcmp(name + length - suffix, SUFFIX) == 0;
}

/* ------------------------------------------------------------------ filling */

static bool key_pool_holds(const struct key_pool *pool, const char *name)
{
    for (size_t i = 0; i < pool->count; i++)
        if (strcmp(pool->entries[i].file, name) == 0)
            return true;
    return false;
}

/* Loads keys that other sandboxes left in the folder; unlocked while it reads a file. */
static void key_pool_load(struct key_pool *pool)
{
    int copy =
        pool->folder < 0 ? -1 : openat(pool->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *file;

    while (directory && pool->count < pool->size && !pool->closing && (file = readdir(directory))) {
        struct key_pool_entry entry = {0};

        if (!key_pool_is_key_file(file->d_name) || key_pool_holds(pool, file->d_name))
            continue;
        memcpy(entry.file, file->d_name, strlen(file->d_name) + 1);
        pthread_mutex_unlock(&pool->mutex);
        entry.key = key_pool_read_key(pool->folder, entry.file);
        pthread_mutex_lock(&pool->mutex);
        if (entry.key && pool->count < pool->size)
            pool->entries[pool->count++] = entry;
        else
            EVP_PKEY_free(entry.key);
    }
    if (directory)
        closedir(directory);
}

/* Aborts the generation of a key when the pool closes. */
static int key_pool_on_progress(EVP_PKEY_CTX *context)
{
    const struct key_pool *pool = EVP_PKEY_CTX_get_app_data(context);

    return !__atomic_load_n(&pool->closing, __ATOMIC_RELAXED);
}

static EVP_PKEY *key_pool_make_key(struct key_pool *pool)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;

    if (context && EVP_PKEY_keygen_init(context) == 1 &&
        EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048) == 1) {
        EVP_PKEY_CTX_set_app_data(context, pool);
        EVP_PKEY_CTX_set_cb(context, key_pool_on_progress);
        if (EVP_PKEY_generate(context, &key) != 1)
            key = NULL;
    }
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return key;
}

static void *key_pool_fill(void *argument)
{
    const struct sched_param none = {0};
    struct key_pool *pool = argument;

    /* Use only idle CPU time. */
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
    pthread_mutex_lock(&pool->mutex);
    key_pool_load(pool);
    while (!pool->closing) {
        struct key_pool_entry entry = {0};

        if (pool->count == pool->size) {
            pthread_cond_wait(&pool->changed, &pool->mutex);
            continue;
        }
        pthread_mutex_unlock(&pool->mutex);
        entry.key = key_pool_make_key(pool);
        if (entry.key)
            key_pool_write_key(pool->folder, &entry);
        pthread_mutex_lock(&pool->mutex);
        if (entry.key && pool->count < pool->size)
            pool->entries[pool->count++] = entry;
        else
            EVP_PKEY_free(entry.key);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* ------------------------------------------------------------------ life and use */

struct key_pool *key_pool_open(const char *folder, size_t size)
{
    struct key_pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        abort();
    pool->folder = key_pool_open_folder(folder);
    pool->size = size;
    pool->entries = calloc(size, sizeof(*pool->entries));
    if (!pool->entries)
        abort();
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->changed, NULL);
    pool->started = pthread_create(&pool->thread, NULL, key_pool_fill, pool) == 0;
    return pool;
}

void key_pool_close(struct key_pool *pool)
{
    const struct sched_param none = {0};

    if (!pool)
        return;
    /* With SCHED_IDLE the thread might not run, and end, on a busy machine. */
    if (pool->started)
        pthread_setschedparam(pool->thread, SCHED_OTHER, &none);
    pthread_mutex_lock(&pool->mutex);
    __atomic_store_n(&pool->closing, true, __ATOMIC_RELAXED);
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    if (pool->started)
        pthread_join(pool->thread, NULL);
    for (size_t i = 0; i < pool->count; i++)
        EVP_PKEY_free(pool->entries[i].key);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->mutex);
    if (pool->folder >= 0)
        close(pool->folder);
    free(pool->entries);
    free(pool);
}

EVP_PKEY *key_pool_take(struct key_pool *pool)
{
    EVP_PKEY *key = NULL;

    pthread_mutex_lock(&pool->mutex);
    while (!key && pool->count) {
        struct key_pool_entry *entry = &pool->entries[--pool->count];

        /* Another sandbox may have deleted the file first; then the key is not ours. */
        if (!*entry->file || unlinkat(pool->folder, entry->file, 0) == 0)
            key = entry->key;
        else
            EVP_PKEY_free(entry->key);
    }
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    return key ? key : EVP_RSA_gen(2048);
}

size_t key_pool_ready(struct key_pool *pool)
{
    size_t count;

    pthread_mutex_lock(&pool->mutex);
    count = pool->count;
    pthread_mutex_unlock(&pool->mutex);
    return count;
}
