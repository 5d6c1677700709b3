/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host does for a plugin. A call carries its host: `call->host->log(call, …)`.
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
 * One call into a plugin. Made by the host, valid until the operation returns; not to be kept,
 * copied or shared with another thread.
 */
struct iotify_call {
    const struct iotify_host *host;
    int64_t client;        /* the client's index, or -1 when the call is for the whole job */
    const void *arguments; /* the action's option structure, expanded; NULL for other calls */
};

/* What a plan says about one thing. */
enum iotify_change {
    IOTIFY_CREATE_IT = 1,
    IOTIFY_CHANGE_IT, /* begun before, and brought to its end */
    IOTIFY_DELETE_IT,
    IOTIFY_KEEP_IT, /* as it should be */
    IOTIFY_BLOCKED  /* apply() would fail here: `why` says for what reason */
};

/* One of the connector's records, for host->records(). */
struct iotify_record {
    int64_t client;
    struct iotify_bytes value; /* valid during the callback only */
};

/* A change of one, for host->records_write(). */
struct iotify_record_write {
    int64_t client;
    struct iotify_bytes expected; /* written only while the record has this value */
    struct iotify_bytes value;    /* empty: the record is deleted */
};

/*
 * All functions are safe on any thread that is inside a call, unless they say otherwise.
 * Calls that are offline (open, prepare, estimate, permit, grant, and all of a transport) can log,
 * fail, allocate, plan, permit and use without_socketpair; perform, wait, glob_*, record_* and
 * records answer IOTIFY_FAILED there.
 */
struct iotify_host {
    uint32_t struct_size;

    /* One line without prefix or line end; the host adds time, job, step and client. */
    void (*log)(struct iotify_call *call, enum iotify_level level, const char *format, ...)
        IOTIFY_PRINTF(3, 4);

    /*
     * Say why the call fails: `code` is a short stable name ("ThrottlingException"), the text is
     * one line that says what to do. The last one before the return counts. Returns `result`.
     */
    enum iotify_result (*fail)(struct iotify_call *call, enum iotify_result result,
        const char *code, const char *format, ...) IOTIFY_PRINTF(4, 5);

    /*
     * In prepare() and in a connector's open(): blame a setting; shown with its line. Anywhere else
     * it only sets the message. Returns IOTIFY_INVALID.
     */
    enum iotify_result (*fail_setting)(
        struct iotify_call *call, const char *setting, const char *format, ...) IOTIFY_PRINTF(3, 4);

    /* Zeroed memory from the call's arena; never NULL (the host ends the process first). */
    void *(*alloc)(struct iotify_call *call, size_t size);

    /*
     * Run one remote operation: wait for its turn at the rate for `operation`, call `function`,
     * repeat it while it answers IOTIFY_THROTTLED or IOTIFY_TRANSIENT and the retry budget lasts.
     * Blocks. Returns the last result, or IOTIFY_CANCELLED when the run stops before or between.
     */
    enum iotify_result (*perform)(struct iotify_call *call, const char *operation,
        enum iotify_result (*function)(struct iotify_call *call, void *argument), void *argument);

    /* Wait, for polling a state that the service reaches by itself. IOTIFY_CANCELLED on a stop. */
    enum iotify_result (*wait)(struct iotify_call *call, int64_t nanoseconds);

    /* The smallest pause that the service asks for after the present failure; 0 when none. */
    void (*retry_after)(struct iotify_call *call, int64_t nanoseconds);

    /*
     * The glob: the key-value store that templates see. Durable on return as far as the storage
     * promises it. get: `out` in the call's arena, NUL-terminated; IOTIFY_NOT_FOUND when absent.
     * apply: see iotify/storage.h; the keys are the user's, as given.
     */
    enum iotify_result (*glob_get)(
        struct iotify_call *call, const char *key, struct iotify_bytes *out);
    enum iotify_result (*glob_apply)(
        struct iotify_call *call, struct iotify_write *writes, size_t count);

    /*
     * The client's record: the connector's own note of what it made for this client, in a
     * namespace that scripts never see. A call for the whole job (`client` is -1) has the record
     * of the job itself, which records() does not list. `expected` of set: what the caller read;
     * NULL data: there was none. IOTIFY_CONFLICT: another worker changed it. An empty `value`
     * deletes the record. `globs` go into the same batch, after the record.
     */
    enum iotify_result (*record_get)(struct iotify_call *call, struct iotify_bytes *out);
    enum iotify_result (*record_set)(struct iotify_call *call, struct iotify_bytes expected,
        struct iotify_bytes value, struct iotify_write *globs, size_t count);

    /* Call `found` for each client's record, ascending. A result other than IOTIFY_OK ends it. */
    enum iotify_result (*records)(struct iotify_call *call,
        enum iotify_result (*found)(void *argument, const struct iotify_record *record),
        void *argument);

    /* Change or delete many records in few commits; one that lost against another is left. */
    enum iotify_result (*records_write)(
        struct iotify_call *call, const struct iotify_record_write *writes, size_t count);

    /* The job's name: at most 64 letters, digits and ._- */
    const char *(*job_name)(struct iotify_call *call);

    /*
     * Run `function` while socketpair() fails on this thread. libmosquitto makes a pair for every
     * session that nobody reads when the loop is the host's; it tolerates the failure.
     * Returns what the function returns. Needs no call; safe on any thread.
     */
    void *(*without_socketpair)(void *(*function)(void *argument), void *argument);

    /*
     * For plan(), recover(), estimate() and permit(); texts are copied. `kind` is a noun ("thing
     * type"), `why` may be NULL. `count` calls of `operation`.
     */
    void (*plan_change)(struct iotify_call *call, enum iotify_change change, const char *kind,
        const char *name, const char *why);
    void (*plan_calls)(struct iotify_call *call, const char *operation, int64_t count);
    void (*permit)(struct iotify_call *call, const char *action, const char *resource);

    /*
     * Run `function` while read() from `descriptor` on this thread takes what there is and hands it
     * out in pieces, and again as long as it returns 0 and something is left. For a library that
     * reads byte by byte. Returns what the function returned last; what is left when it failed is
     * lost. Needs no call; not within itself.
     */
    int (*with_read_ahead)(int descriptor, int (*function)(void *argument), void *argument);
};

#ifdef __cplusplus
}
#endif

#endif
