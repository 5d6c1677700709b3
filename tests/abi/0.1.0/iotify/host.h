/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that the host offers to plugins, called through `call->host->log(call, …)`.
 */
#ifndef IOTIFY_HOST_H
#define IOTIFY_HOST_H

#include <iotify/plugin.h>
#include <iotify/storage.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define IOTIFY_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define IOTIFY_PRINTF(text, first)
#endif

/*
 * One call into a plugin. Owned by the host and valid until the operation returns. The plugin must
 * not keep it, copy it, or use it on another thread.
 */
struct iotify_call {
    const struct iotify_host *host;
    int64_t client;        /* the device's index; -1: the call is for the whole job */
    const void *arguments; /* option structure of the action; NULL in calls without settings */
};

/* What a plan reports about one object. */
enum iotify_change {
    IOTIFY_CREATE_IT = 1,
    IOTIFY_CHANGE_IT, /* an interrupted creation will be completed */
    IOTIFY_DELETE_IT,
    IOTIFY_KEEP_IT, /* up to date */
    IOTIFY_BLOCKED  /* apply() would fail; `why` gives the reason */
};

/* One record of the connector, for host->records(). */
struct iotify_record {
    int64_t client;
    struct iotify_bytes value; /* valid during the callback only */
};

/* A change of one record, for host->records_write(). */
struct iotify_record_write {
    int64_t client;
    struct iotify_bytes expected; /* the write is skipped unless the record has this value */
    struct iotify_bytes value;    /* empty: delete the record */
};

/*
 * Unless stated otherwise, a function may be called on any thread that is inside a call, with that
 * call. Texts and values passed in are copied. In offline calls (open, prepare, estimate, permit,
 * grant, and all calls of a transport's loop) perform, wait, glob_*, record_*, records and
 * records_write return IOTIFY_FAILED, and job_name returns "".
 */
struct iotify_host {
    uint32_t struct_size;

    /* Log one line, without prefix or line end; the host adds time, job, step and device. */
    void (*log)(struct iotify_call *call, enum iotify_level level, const char *format, ...)
        IOTIFY_PRINTF(3, 4);

    /*
     * Set the error of the call. `code` is a short stable name ("ThrottlingException", at most 63
     * bytes), the text one line (at most 511 bytes) with the cause and what to do. The last error
     * before the operation returns is the one reported. Returns `result`.
     */
    enum iotify_result (*fail)(struct iotify_call *call, enum iotify_result result,
        const char *code, const char *format, ...) IOTIFY_PRINTF(4, 5);

    /*
     * Set the error of a setting. In prepare() and a connector's open() the host reports it with
     * the line of the setting; in other calls it only sets the message. Returns IOTIFY_INVALID.
     */
    enum iotify_result (*fail_setting)(
        struct iotify_call *call, const char *setting, const char *format, ...) IOTIFY_PRINTF(3, 4);

    /*
     * Allocate `size` zeroed bytes from the call's arena; freed when the call ends. Never NULL: the
     * host ends the process when memory is exhausted.
     */
    void *(*alloc)(struct iotify_call *call, size_t size);

    /*
     * Run one remote operation: wait until the rate limit of `operation` allows it, call `function`
     * on the same thread, and call it again while it returns IOTIFY_THROTTLED or IOTIFY_TRANSIENT
     * and the retry limits allow it. Blocks. Returns the last result, or IOTIFY_CANCELLED when the
     * run is stopped before a try.
     */
    enum iotify_result (*perform)(struct iotify_call *call, const char *operation,
        enum iotify_result (*function)(struct iotify_call *call, void *argument), void *argument);

    /*
     * Block for `nanoseconds`, to poll a state at the service. IOTIFY_OK, or IOTIFY_CANCELLED at
     * once when the run is stopped.
     */
    enum iotify_result (*wait)(struct iotify_call *call, int64_t nanoseconds);

    /* Inside `function` of perform(): the minimum pause before the next try; 0: none. */
    void (*retry_after)(struct iotify_call *call, int64_t nanoseconds);

    /*
     * The glob: the job's key-value store that scripts see; nothing to do with file patterns. Keys
     * are the user's, without prefix. glob_get: `out` is in the call's arena, NUL-terminated;
     * IOTIFY_NOT_FOUND when absent. glob_apply: writes as in iotify/storage.h, durable on return as
     * far as the storage is; discarded while the host plans. IOTIFY_INVALID: a key is too long.
     * Other errors are the storage's. Both block.
     */
    enum iotify_result (*glob_get)(
        struct iotify_call *call, const char *key, struct iotify_bytes *out);
    enum iotify_result (*glob_apply)(
        struct iotify_call *call, struct iotify_write *writes, size_t count);

    /*
     * The device's record: the connector's note about what it created for this device, invisible
     * to scripts. In a call for the whole job (`client` is -1) these access the record of the job,
     * which records() does not list. record_get: `out` is in the call's arena, NUL-terminated;
     * IOTIFY_NOT_FOUND when absent. record_set: `expected` is the value that the caller read (NULL
     * data: no record); an empty `value` deletes the record; `globs` are written in the same batch
     * after the record, and skipped with it; discarded while the host plans. IOTIFY_CONFLICT:
     * another thread or process changed the record. Both block.
     */
    enum iotify_result (*record_get)(struct iotify_call *call, struct iotify_bytes *out);
    enum iotify_result (*record_set)(struct iotify_call *call, struct iotify_bytes expected,
        struct iotify_bytes value, struct iotify_write *globs, size_t count);

    /*
     * Call `found` on this thread for each device's record, in ascending order of `client`. A
     * result other than IOTIFY_OK ends the listing and is returned. `found` may call the host.
     */
    enum iotify_result (*records)(struct iotify_call *call,
        enum iotify_result (*found)(void *argument, const struct iotify_record *record),
        void *argument);

    /*
     * Change or delete `count` records in few commits. A record that no longer has its `expected`
     * value is skipped without an error. Discarded while the host plans. Blocks.
     */
    enum iotify_result (*records_write)(
        struct iotify_call *call, const struct iotify_record_write *writes, size_t count);

    /* The job's name: at most 64 letters, digits and ._-; owned by the host. */
    const char *(*job_name)(struct iotify_call *call);

    /*
     * Call `function` while socketpair() fails on this thread with EMFILE. libmosquitto opens a
     * pair of sockets per session that is unused with the host's loop, and works without it.
     * Returns the result of `function`. Any thread, with or without a call; may be nested.
     */
    void *(*without_socketpair)(void *(*function)(void *argument), void *argument);

    /*
     * For plan(), recover(), estimate() and permit(); without effect elsewhere. plan_change: one
     * object; `kind` is a noun ("thing type"), `why` may be NULL. plan_calls: `count` calls of
     * `operation`. permit: one permission, see struct iotify_permission.
     */
    void (*plan_change)(struct iotify_call *call, enum iotify_change change, const char *kind,
        const char *name, const char *why);
    void (*plan_calls)(struct iotify_call *call, const char *operation, int64_t count);
    void (*permit)(struct iotify_call *call, const char *action, const char *resource);

    /*
     * Call `function` while read() from `descriptor` on this thread is buffered, for a library that
     * reads a few bytes at a time; call it again while it returns 0 and buffered bytes are left.
     * Returns the last result; bytes that are left then are lost. Any thread, with or without a
     * call; must not be nested.
     */
    int (*with_read_ahead)(int descriptor, int (*function)(void *argument), void *argument);
};

#ifdef __cplusplus
}
#endif

#endif
