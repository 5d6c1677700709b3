/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage plugins: a key-value store that holds the glob and the device records.
 *
 * A backend is dumb: keys are non-empty strings of at most 1,024 bytes without NUL, values are
 * up to 16 MiB of any bytes. The host maps names to keys, seals values and groups writes: it
 * never has two apply() calls under way on one instance.
 */
#ifndef IOTIFY_STORAGE_H
#define IOTIFY_STORAGE_H

#include <iotify/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOTIFY_KEY_MAX 1024
#define IOTIFY_VALUE_MAX (16 * 1024 * 1024)

/* What survives once apply() has returned. */
enum iotify_durability {
    IOTIFY_VOLATILE = 1, /* the process only */
    IOTIFY_DURABLE       /* loss of power */
};

enum iotify_write_kind {
    IOTIFY_PUT = 1,         /* set, whatever was there */
    IOTIFY_CREATE,          /* set when absent; else IOTIFY_EXISTS */
    IOTIFY_COMPARE_AND_SET, /* set when the present value equals `expected`; else IOTIFY_CONFLICT */
    IOTIFY_DELETE,          /* remove; IOTIFY_OK when it was absent already */
    IOTIFY_COMPARE_AND_DELETE /* remove when the present value equals `expected`; else CONFLICT */
};

struct iotify_write {
    enum iotify_write_kind kind;
    const char *key;
    struct iotify_bytes value;
    struct iotify_bytes expected; /* of the two that compare */
    /* With IOTIFY_PUT or IOTIFY_DELETE after a conditional write: skip when that one lost. */
    bool with_previous;
    enum iotify_result result; /* set by apply(): IOTIFY_OK, EXISTS, CONFLICT; FAILED if skipped */
};

/* Does deciding on this write need the present value? Part of the static library `iotify-sdk`. */
bool iotify_write_needs_present(const struct iotify_write *write);
/* Does the write take its key away, where it is carried out? */
bool iotify_write_removes(const struct iotify_write *write);
/*
 * The rules of a write, the same for every backend: sets `write->result`, and says whether the
 * value is to be changed. `previous` is the write before it in the batch, or NULL; `present` the
 * value as it is (`data` NULL: absent), looked at only when iotify_write_needs_present().
 */
bool iotify_write_decide(
    struct iotify_write *write, const struct iotify_write *previous, struct iotify_bytes present);

struct iotify_read {
    const char *key;
    bool found;                /* set by get_many() */
    struct iotify_bytes value; /* in the call's arena, with a NUL behind it that is not counted */
};

struct iotify_storage {
    uint32_t struct_size;
    enum iotify_threads threads;
    enum iotify_durability durability;
    bool atomic_batch; /* apply() does all writes of a call or none of them */

    /*
     * Open or create the store. `options` is the plugin's option structure. New directories get
     * mode 0700, new files 0600. Errors: IOTIFY_FAILED, IOTIFY_FULL, IOTIFY_DENIED.
     */
    enum iotify_result (*open)(struct iotify_call *call, const void *options, void **instance);
    /* Close; nothing acknowledged may be lost. No other call is under way. */
    void (*close)(void *instance);

    /* Fill in all `reads`; a missing key is no error. */
    enum iotify_result (*get_many)(
        void *instance, struct iotify_call *call, struct iotify_read *reads, size_t count);

    /*
     * Do the writes in order; durable on IOTIFY_OK, or behind flush(). A conditional write that
     * loses sets its own `result` and is no error of the call. On an error nothing may be assumed
     * written (with atomic_batch: nothing is).
     */
    enum iotify_result (*apply)(
        void *instance, struct iotify_call *call, struct iotify_write *writes, size_t count);

    /*
     * Call `found` for the keys that begin with `prefix` in ascending byte order, those after
     * `after` (NULL: from the start), at most `limit`. `key` is valid during the callback only.
     */
    enum iotify_result (*scan)(void *instance, struct iotify_call *call, const char *prefix,
        const char *after, size_t limit, void (*found)(void *argument, const char *key),
        void *argument);

    /*
     * Make everything durable that apply() did: called behind each apply(), before anybody is told
     * that it is done. NULL when apply() does so by itself.
     */
    enum iotify_result (*flush)(void *instance, struct iotify_call *call);
};

#ifdef __cplusplus
}
#endif

#endif
