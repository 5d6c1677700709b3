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
    uint32_t struct_size; /* sizeof(struct iotify_call) of the host */
    const struct iotify_host *host;
    int64_t client;        /* the device's index; -1: the call is for the whole job */
    const void *arguments; /* option structure of the action; NULL: without settings */
    int stage;             /* 0, or in a repeated call the one given to host->later() */
};

/* What a plan reports about one object. */
enum iotify_change {
    IOTIFY_CHANGE_CREATE = 1,
    IOTIFY_CHANGE_COMPLETE, /* an interrupted creation will be completed */
    IOTIFY_CHANGE_DELETE,
    IOTIFY_CHANGE_KEEP,   /* up to date */
    IOTIFY_CHANGE_BLOCKED /* apply() would fail; `why` gives the reason */
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

/* How apply() treats what differs from its records; a set. */
enum iotify_repair_mode {
    IOTIFY_REPAIR_NOTHING = 1, /* report differences as errors, and change nothing (--no-repair) */
    IOTIFY_REPAIR_ALL = 2,     /* undo even what looks like a decision of somebody (--repair) */
    IOTIFY_REPAIR_VERIFY_ALL = 4 /* also verify what takes a call per device (--verify full) */
};

/*
 * Unless stated otherwise, a function may be called on the thread that is inside a call, with that
 * call. Texts and values passed in are copied. Calls of storages and transports, and open, check,
 * prepare, estimate, permit and grant of connectors are offline: perform, wait, later, glob_*,
 * record_*, records, all_records and records_write return IOTIFY_RESULT_FAILED in them, and
 * job_name returns "".
 */
struct iotify_host {
    uint32_t struct_size; /* sizeof(struct iotify_host) of the host */
    uint16_t abi_major;   /* the host's IOTIFY_ABI_MAJOR */
    uint16_t abi_minor;   /* the host's IOTIFY_ABI_MINOR: what it knows */

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
     * the line of the setting; in other calls it only sets the message. Returns
     * IOTIFY_RESULT_INVALID.
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
     * on the same thread, and call it again while it returns IOTIFY_RESULT_THROTTLED or
     * IOTIFY_RESULT_TRANSIENT and the retry limits allow it. Blocks. Returns the last result, or
     * IOTIFY_RESULT_CANCELLED when the run is stopped before a try.
     */
    enum iotify_result (*perform)(struct iotify_call *call, const char *operation,
        enum iotify_result (*function)(struct iotify_call *call, void *argument), void *argument);

    /*
     * Block for `nanoseconds`, to poll a state at the service. IOTIFY_RESULT_OK, or
     * IOTIFY_RESULT_CANCELLED at once when the run is stopped.
     */
    enum iotify_result (*wait)(struct iotify_call *call, int64_t nanoseconds);

    /*
     * With IOTIFY_RESULT_THROTTLED or IOTIFY_RESULT_TRANSIENT, inside `function` of perform() or in
     * session_publish() of a transport: the minimum pause before the next try; 0: none.
     */
    void (*retry_after)(struct iotify_call *call, int64_t nanoseconds);

    /*
     * The glob: the job's key-value store that scripts see; nothing to do with file patterns. Keys
     * are the user's, without prefix. glob_get: `out` is in the call's arena, NUL-terminated;
     * IOTIFY_RESULT_NOT_FOUND when absent. glob_apply: writes as in iotify/storage.h, durable on
     * return as far as the storage is; discarded while the host plans. IOTIFY_RESULT_INVALID: a key
     * is too long. Other errors are the storage's. Both block.
     */
    enum iotify_result (*glob_get)(
        struct iotify_call *call, const char *key, struct iotify_bytes *out);
    enum iotify_result (*glob_apply)(
        struct iotify_call *call, struct iotify_write *writes, size_t count);

    /*
     * The device's record: the connector's note about what it created for this device, invisible
     * to scripts. In a call for the whole job (`client` is -1) these access the record of the job,
     * which records() does not list. record_get: `out` is in the call's arena, NUL-terminated;
     * IOTIFY_RESULT_NOT_FOUND when absent. record_set: `expected` is the value that the caller read
     * (NULL data: no record); an empty `value` deletes the record; `globs` are written in the same
     * batch after the record, and skipped with it; discarded while the host plans.
     * IOTIFY_RESULT_CONFLICT: another thread or process changed the record. Both block.
     */
    enum iotify_result (*record_get)(struct iotify_call *call, struct iotify_bytes *out);
    enum iotify_result (*record_set)(struct iotify_call *call, struct iotify_bytes expected,
        struct iotify_bytes value, struct iotify_write *globs, size_t count);

    /*
     * Call `found` on this thread for each device's record, in ascending order of `client`. A
     * result other than IOTIFY_RESULT_OK ends the listing and is returned. `found` may call the
     * host.
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
     * For plan(), recover(), estimate() and permit(); without effect elsewhere. plan_change: one
     * object; `kind` is a noun ("thing type"), `why` may be NULL. plan_calls: `count` calls of
     * `operation`. permit: one permission, see struct iotify_permission.
     */
    void (*plan_change)(struct iotify_call *call, enum iotify_change change, const char *kind,
        const char *name, const char *why);
    void (*plan_calls)(struct iotify_call *call, const char *operation, int64_t count);
    void (*permit)(struct iotify_call *call, const char *action, const char *resource);

    /*
     * In apply() and remove(), instead of waiting on the worker's thread: ask to be called again
     * for the same device after `nanoseconds`, with `stage` in the call. Return the result,
     * IOTIFY_RESULT_LATER, from the operation. When the run is stopped there is no further call.
     */
    enum iotify_result (*later)(struct iotify_call *call, int64_t nanoseconds, int stage);

    /*
     * As records(), of all connectors of the job that use the same plugin, account and region.
     */
    enum iotify_result (*all_records)(struct iotify_call *call,
        enum iotify_result (*found)(void *argument, const struct iotify_record *record),
        void *argument);

    /* A set of enum iotify_repair_mode, from the command line. */
    unsigned (*repair_mode)(struct iotify_call *call);
    /*
     * In apply(): report that the device differs from its record and is repaired; `what` names the
     * parts. The device counts as repaired when the operation succeeds, also at a later stage.
     */
    void (*repaired)(struct iotify_call *call, const char *what);

    /*
     * True when the run was stopped a moment ago, and what still blocks has to give up: return
     * IOTIFY_RESULT_CANCELLED or IOTIFY_RESULT_TRANSIENT. A request that may have been carried out
     * is found by the next run. Ask at least once per second while blocking elsewhere than in
     * host->wait(). Works in offline calls, too.
     */
    bool (*cancelled)(struct iotify_call *call);
    /*
     * A descriptor that becomes readable when cancelled() becomes true, to wait for with poll()
     * beside others; -1: the host has none left. Owned by the host: do not read or close it.
     */
    int (*cancel_descriptor)(struct iotify_call *call);

    /*
     * An ability of the host that is no part of this contract, by its name from
     * iotify/extensions.h; NULL: the host does not have it, and the plugin has to do without. The
     * table is constant and lives as long as the process.
     */
    const void *(*extension)(struct iotify_call *call, const char *name);
};

#ifdef __cplusplus
}
#endif

#endif
