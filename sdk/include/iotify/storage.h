/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage plugins: a key-value store that holds the glob (the job's key-value store as scripts see
 * it) and the device records.
 *
 * Keys are non-empty strings of at most IOTIFY_KEY_MAX bytes without NUL, and not always UTF-8.
 * Values are any bytes, at most IOTIFY_VALUE_MAX of them; `data` of an empty one may be NULL, but
 * not in a read or as `current`, where NULL stands for an absent key. The host maps names to keys,
 * encrypts values and groups writes: a batch has at most some hundred, which may name a key more
 * than once. It calls the operations on any of its threads, as many at once as `threads` allows,
 * but has at most one apply() in progress per instance; with IOTIFY_THREADS_PARALLEL get_many() and
 * scan() may run at the same time. Operations may block; all calls are offline.
 *
 * Operations return IOTIFY_RESULT_OK, INVALID, CONFLICT, DENIED, TRANSIENT, FULL, CANCELLED or
 * FAILED, and describe an error with host->fail(). The host sets `result` of all reads and writes
 * to 0 before a call: after IOTIFY_RESULT_OK each must have one. After IOTIFY_RESULT_TRANSIENT, no
 * answer of a server, the host repeats the same call for some time; apply() must then not carry out
 * again what may have been carried out.
 */
#ifndef IOTIFY_STORAGE_H
#define IOTIFY_STORAGE_H

#include <iotify/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOTIFY_KEY_MAX 1024
#define IOTIFY_VALUE_MAX (16 * 1024 * 1024)

/* What a write survives once apply(), and flush() where there is one, has returned. */
enum iotify_durability {
    IOTIFY_DURABILITY_VOLATILE = 1, /* nothing: it is lost when the process ends */
    IOTIFY_DURABILITY_DURABLE       /* a crash and a loss of power */
};

enum iotify_write_kind {
    IOTIFY_WRITE_PUT = 1,           /* set the value */
    IOTIFY_WRITE_CREATE,            /* set the value of an absent key; else IOTIFY_RESULT_EXISTS */
    IOTIFY_WRITE_COMPARE_AND_SET,   /* set when the current value equals `expected`; else
                                       IOTIFY_RESULT_CONFLICT */
    IOTIFY_WRITE_DELETE,            /* delete; IOTIFY_RESULT_OK when the key is absent */
    IOTIFY_WRITE_COMPARE_AND_DELETE /* delete when the current value equals `expected`; else
                                       CONFLICT */
};

struct iotify_write {
    enum iotify_write_kind kind;
    const char *key;
    struct iotify_bytes value;    /* not used by the two that delete */
    struct iotify_bytes expected; /* for the two that compare */
    /* Skip this write unless the result of the write before it in the batch is IOTIFY_RESULT_OK. */
    bool with_previous;
    enum iotify_result
        result; /* set by apply(): IOTIFY_RESULT_OK, EXISTS, CONFLICT; FAILED if skipped */
};

/*
 * The rules of a write, the same for every backend; part of the static library `iotify-sdk`. Pure
 * functions: any thread, no allocation.
 */
/* True when iotify_write_decide() needs the current value for this write. */
bool iotify_write_needs_current(const struct iotify_write *write);
/* True for the two kinds that delete their key. */
bool iotify_write_removes(const struct iotify_write *write);
/*
 * Set `write->result`; true when the backend has to carry out the write. `previous` is the write
 * before it in the batch, or NULL. `current` is the current value of the key (`data` NULL: absent),
 * used only when iotify_write_needs_current() is true.
 */
bool iotify_write_decide(
    struct iotify_write *write, const struct iotify_write *previous, struct iotify_bytes current);

struct iotify_read {
    const char *key;
    /* Set by get_many(): IOTIFY_RESULT_OK, or IOTIFY_RESULT_NOT_FOUND for an absent key. */
    enum iotify_result result;
    /* Set with IOTIFY_RESULT_OK: in the call's arena, followed by a NUL that is not counted. */
    struct iotify_bytes value;
};

struct iotify_storage {
    uint32_t struct_size; /* sizeof(struct iotify_storage) as the plugin was built */
    uint32_t read_size;   /* sizeof(struct iotify_read): the host passes elements of this size */
    uint32_t write_size;  /* sizeof(struct iotify_write): likewise */
    enum iotify_threads threads;
    enum iotify_durability durability;
    bool atomic_batch; /* apply() carries out all writes of a call, or none when it fails */

    /*
     * Check settings against each other, for `--check` and before open(). `options` as in open().
     * Offline, without side effects; main thread. Errors: IOTIFY_RESULT_INVALID after
     * host->fail_setting(). May be NULL.
     */
    enum iotify_result (*check)(struct iotify_call *call, const void *options);

    /*
     * Open the store. One that does not exist is created by the first apply(), so that commands
     * which only read leave no files behind; until then reads find nothing. What a crash has left
     * half done in one that exists may be completed. `options` is the plugin's option structure and
     * outlives the instance; paths in it are absolute. New directories get mode 0700, new files
     * 0600. May block; ask host->cancelled() meanwhile. Errors: IOTIFY_RESULT_CONFLICT when another
     * process uses the store and the backend cannot share it, and IOTIFY_RESULT_DENIED, FULL,
     * TRANSIENT, CANCELLED and FAILED.
     */
    enum iotify_result (*open)(struct iotify_call *call, const void *options, void **instance);
    /* Close the store and free the instance, while the host has no other call in progress. */
    void (*close)(void *instance);

    /*
     * Set the result of all `count` reads, which is at least 1. An absent key is not an error.
     * After an error of the call, the results of the reads are not used.
     */
    enum iotify_result (*get_many)(
        void *instance, struct iotify_call *call, struct iotify_read *reads, size_t count);

    /*
     * Carry out the writes in order and set their `result`; a conditional write that does not apply
     * is not an error of the call. IOTIFY_RESULT_OK: they are durable, or will be after flush(). On
     * any error but IOTIFY_RESULT_TRANSIENT and CANCELLED, any number of writes may have been
     * carried out, with `atomic_batch` none; after those two, it is unknown which were. After an
     * error the instance remains usable: reads tell what is stored, or fail.
     */
    enum iotify_result (*apply)(
        void *instance, struct iotify_call *call, struct iotify_write *writes, size_t count);

    /*
     * Call `found` on this thread for at most `limit` keys (at least 1) that begin with `prefix`
     * ("": all) and are greater than `after` (NULL: no lower limit), in ascending byte order. `key`
     * is valid during the callback, which must not call the storage.
     */
    enum iotify_result (*scan)(void *instance, struct iotify_call *call, const char *prefix,
        const char *after, size_t limit, void (*found)(void *argument, const char *key),
        void *argument);

    /*
     * Make all completed writes durable. The host calls it after each successful apply(), before it
     * reports the writes as done. NULL when apply() makes them durable by itself.
     */
    enum iotify_result (*flush)(void *instance, struct iotify_call *call);

    /*
     * Verify that writes will survive what `durability` promises, where that depends on settings or
     * on a server. Called once after open(), before the first record is written. An error, with the
     * reason and what to do, refuses provisioning; the glob can be used all the same. May block.
     * NULL: `durability` always holds.
     */
    enum iotify_result (*verify_durability)(void *instance, struct iotify_call *call);
};

/* Initialiser of the sizes in struct iotify_storage. */
#define IOTIFY_STORAGE_SIZES                                                                       \
    .struct_size = sizeof(struct iotify_storage), .read_size = sizeof(struct iotify_read),         \
    .write_size = sizeof(struct iotify_write)

#ifdef __cplusplus
}
#endif

#endif
