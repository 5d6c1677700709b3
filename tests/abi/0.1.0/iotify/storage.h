/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage plugins: a key-value store that holds the glob (the job's key-value store as scripts see
 * it) and the device records.
 *
 * Keys are non-empty strings of at most IOTIFY_KEY_MAX bytes without NUL. Values are any bytes, at
 * most IOTIFY_VALUE_MAX of them. The host maps names to keys, encrypts values and groups writes.
 * It calls the operations on any of its threads, as many at once as `threads` allows, but has at
 * most one apply() in progress per instance. Operations may block.
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
    IOTIFY_VOLATILE = 1, /* nothing: it is lost when the process ends */
    IOTIFY_DURABLE       /* a crash and a loss of power */
};

enum iotify_write_kind {
    IOTIFY_PUT = 1,         /* set the value */
    IOTIFY_CREATE,          /* set the value of an absent key; else IOTIFY_EXISTS */
    IOTIFY_COMPARE_AND_SET, /* set when the current value equals `expected`; else IOTIFY_CONFLICT */
    IOTIFY_DELETE,          /* delete; IOTIFY_OK when the key is absent */
    IOTIFY_COMPARE_AND_DELETE /* delete when the current value equals `expected`; else CONFLICT */
};

struct iotify_write {
    enum iotify_write_kind kind;
    const char *key;
    struct iotify_bytes value;    /* not used by the two that delete */
    struct iotify_bytes expected; /* for the two that compare */
    /* Skip this write unless the result of the write before it in the batch is IOTIFY_OK. */
    bool with_previous;
    enum iotify_result result; /* set by apply(): IOTIFY_OK, EXISTS, CONFLICT; FAILED if skipped */
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
    bool found;                /* set by get_many() */
    struct iotify_bytes value; /* in the call's arena, followed by a NUL that is not counted */
};

struct iotify_storage {
    uint32_t struct_size;
    enum iotify_threads threads;
    enum iotify_durability durability;
    bool atomic_batch; /* apply() carries out all writes of a call, or none when it fails */

    /*
     * Open or create the store. `options` is the plugin's option structure and outlives the
     * instance. New directories get mode 0700, new files 0600. Errors: IOTIFY_CONFLICT when another
     * process uses the store, IOTIFY_DENIED, IOTIFY_FULL, IOTIFY_FAILED.
     */
    enum iotify_result (*open)(struct iotify_call *call, const void *options, void **instance);
    /* Close the store and free the instance, while the host has no other call in progress. */
    void (*close)(void *instance);

    /* Set `found` and `value` of all `count` reads. An absent key is not an error. */
    enum iotify_result (*get_many)(
        void *instance, struct iotify_call *call, struct iotify_read *reads, size_t count);

    /*
     * Carry out the writes in order and set their `result`; a conditional write that does not apply
     * is not an error of the call. IOTIFY_OK: they are durable, or will be after flush(). On an
     * error (IOTIFY_FULL, IOTIFY_DENIED, IOTIFY_FAILED) any number of writes may have been carried
     * out; with `atomic_batch` none.
     */
    enum iotify_result (*apply)(
        void *instance, struct iotify_call *call, struct iotify_write *writes, size_t count);

    /*
     * Call `found` on this thread for at most `limit` keys that begin with `prefix` and are greater
     * than `after` (NULL: no lower limit), in ascending byte order. `key` is valid during the
     * callback, which must not call the storage.
     */
    enum iotify_result (*scan)(void *instance, struct iotify_call *call, const char *prefix,
        const char *after, size_t limit, void (*found)(void *argument, const char *key),
        void *argument);

    /*
     * Make all completed writes durable. The host calls it after each successful apply(), before it
     * reports the writes as done. NULL when apply() makes them durable by itself.
     */
    enum iotify_result (*flush)(void *instance, struct iotify_call *call);
};

#ifdef __cplusplus
}
#endif

#endif
