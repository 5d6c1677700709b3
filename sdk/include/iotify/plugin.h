/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin contract: what a shared object exports, and the types that host and plugin share.
 *
 * A plugin is one shared object, `iotify-NAME.so`, that exports one constant data symbol,
 * `iotify_plugin`, of type `struct iotify_plugin`. The host reads the kind, the settings and the
 * actions of a plugin from this data, without calling the plugin. All other symbols are hidden.
 *
 * Versions. `abi_major` must equal the host's; `abi_minor` says which members the plugin knows.
 * New members are only added at the end of a structure, and each structure or array element
 * carries its size. The reader copies the smaller of the two sizes into a zeroed structure: an old
 * plugin runs in a new host, and an old host ignores the members that it does not know. Arrays that
 * a plugin gets have elements of the size that its descriptor states, so that it may index them.
 * A plugin that cannot do without members of a minor version says so in `needs_minor`; one that can
 * compares `call->host->abi_minor`, or `struct_size` of the structure in question. All members that
 * this header describes without "since" are there in 2.0.
 *
 * Memory. A string or value that an operation returns through an `out` parameter is allocated
 * from the call's arena (`host->alloc`) and lives until the call ends. An instance or a session
 * belongs to the plugin until the host calls its close or free function. Neither side frees memory
 * of the other. The options given to open() live until the instance is closed; option structures
 * with expanded expressions live until the call ends.
 *
 * Threads. Connector and storage operations may block. The host calls them on worker threads and
 * on the main thread; `threads` limits how many at once. A transport's open() and close() run on
 * the main thread, its other operations and all its events on the thread of their loop; those must
 * not block.
 *
 * Errors. An operation returns an enum iotify_result and describes an error with host->fail(). The
 * host checks all that a plugin returns: what this contract does not allow is reported as
 * PluginFault, with the plugin, the operation and the rule, and ends the step.
 *
 * NULL. A pointer is never NULL unless its comment says so. Texts are NUL-terminated UTF-8.
 */
#ifndef IOTIFY_PLUGIN_H
#define IOTIFY_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <iotify/settings.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOTIFY_MAGIC UINT32_C(0x59464954)
#define IOTIFY_ABI_MAJOR 2
#define IOTIFY_ABI_MINOR 0

/* The version of this SDK: that of the iotifyd that it comes with. */
#define IOTIFY_SDK_VERSION_MAJOR 0
#define IOTIFY_SDK_VERSION_MINOR 2
#define IOTIFY_SDK_VERSION_PATCH 0
#define IOTIFY_SDK_VERSION "0.2.0"

/* Exports the descriptor. Build everything else with hidden visibility. */
#define IOTIFY_EXPORT __attribute__((visibility("default")))

#ifdef __cplusplus
#define IOTIFY_EXTERN extern "C"
#else
#define IOTIFY_EXTERN extern
#endif

/*
 * Defines the descriptor from its members after `needs_minor`, in C, and in C++ from C++20 in the
 * order of their declaration:
 *
 *     IOTIFY_PLUGIN(.kind = IOTIFY_KIND_STORAGE, .name = "mine", .version = "1.0",
 *         .summary = "keeps values in mine", .settings = &mine_settings, .operations = &mine);
 */
#define IOTIFY_PLUGIN(...)                                                                         \
    IOTIFY_EXTERN IOTIFY_EXPORT const struct iotify_plugin iotify_plugin;                          \
    const struct iotify_plugin iotify_plugin = {.magic = IOTIFY_MAGIC,                             \
        .struct_size = sizeof(struct iotify_plugin),                                               \
        .abi_major = IOTIFY_ABI_MAJOR,                                                             \
        .abi_minor = IOTIFY_ABI_MINOR,                                                             \
        __VA_ARGS__}

/* For `settings` of a plugin, an action or a message without any. */
#define IOTIFY_NO_SETTINGS NULL

/*
 * Values of all enumerations start at 1, so that the host detects a member or a result that was not
 * set, but for the levels of the log and what says so.
 */
enum iotify_kind { IOTIFY_KIND_CONNECTOR = 1, IOTIFY_KIND_STORAGE = 2, IOTIFY_KIND_TRANSPORT = 3 };

/*
 * Result of an operation. The host retries IOTIFY_RESULT_THROTTLED and IOTIFY_RESULT_TRANSIENT
 * inside host->perform(), and no other result. A plugin does not retry by itself.
 */
enum iotify_result {
    IOTIFY_RESULT_OK = 1,
    IOTIFY_RESULT_UNCHANGED, /* success; nothing had to be changed */
    IOTIFY_RESULT_INVALID,   /* the request or a setting is not valid */
    IOTIFY_RESULT_NOT_FOUND,
    IOTIFY_RESULT_EXISTS,    /* an object of this name exists and differs */
    IOTIFY_RESULT_CONFLICT,  /* the current state does not allow it, or a compare-and-set failed */
    IOTIFY_RESULT_DENIED,    /* credentials are missing, expired or refused */
    IOTIFY_RESULT_THROTTLED, /* the service asks for a lower rate: the host retries later, at the
                                earliest after host->retry_after() */
    IOTIFY_RESULT_TRANSIENT, /* no answer, or a temporary fault: the host retries */
    IOTIFY_RESULT_FULL,      /* a disk is full, or a resource limit is reached */
    IOTIFY_RESULT_CANCELLED, /* the run is stopping */
    IOTIFY_RESULT_FAILED,    /* any other error; permanent */
    IOTIFY_RESULT_LATER      /* only from host->later(): not done yet, to be called again */
};

/* How many threads the host may have inside the blocking operations at once. */
enum iotify_threads {
    IOTIFY_THREADS_SERIAL = 1,   /* one at a time for all instances of the plugin */
    IOTIFY_THREADS_PER_INSTANCE, /* one at a time per instance, on any thread */
    IOTIFY_THREADS_PARALLEL      /* any number */
};

enum iotify_level { IOTIFY_LOG_ERROR = 0, IOTIFY_LOG_WARNING, IOTIFY_LOG_INFO, IOTIFY_LOG_DEBUG };

/* Bytes with a length. `data` may contain NUL, and is only NUL-terminated where stated. */
struct iotify_bytes {
    const void *data;
    size_t size;
};

struct iotify_call;
struct iotify_record;

/* What apply() of an action is called for. */
enum iotify_scope {
    IOTIFY_SCOPE_JOB = 1, /* once for the job */
    IOTIFY_SCOPE_DEVICE,  /* once for each device of the job */
    IOTIFY_SCOPE_RECORD   /* once for each device that has a record in the store */
};

/*
 * One action of a connector: the step `alias.name` of a pipeline. `call->arguments` holds its
 * settings. The host evaluates settings flagged IOTIFY_FLAG_EXPRESSION for each device before
 * apply(), plan() and recover(); the other functions get them unevaluated. Functions except apply()
 * may be NULL. Each returns IOTIFY_RESULT_OK, IOTIFY_RESULT_UNCHANGED or an error that it gave to
 * host->fail(). plan(), recover(), begin() and conclude() run on the main thread and may block.
 */
struct iotify_action {
    const char *name;
    const char *summary; /* one line, for help and docs */
    enum iotify_scope scope;
    const struct iotify_settings *settings; /* NULL: none */
    /*
     * Check settings against each other, and keep in the instance what other actions need. Called
     * on the main thread once per step, in the order of the job file, when the job is loaded.
     * Offline, without side effects. Errors: IOTIFY_RESULT_INVALID after host->fail_setting().
     */
    enum iotify_result (*prepare)(void *instance, struct iotify_call *call);
    /*
     * Perform the action for one device or for the job. Called on a worker thread; may block.
     * IOTIFY_RESULT_UNCHANGED: everything existed already. Must be idempotent: the user runs the
     * same step again after an error. Never NULL.
     */
    enum iotify_result (*apply)(void *instance, struct iotify_call *call);
    /* Called once per step before apply(); `call->client` is -1. An error ends the step. */
    enum iotify_result (*begin)(void *instance, struct iotify_call *call);
    /*
     * Called once per step after the last apply() or remove(), even when some devices failed, but
     * not after begin() failed or the run was stopped; `call->client` is -1. For work that is
     * cheaper, or only possible, when all devices are done.
     */
    enum iotify_result (*conclude)(void *instance, struct iotify_call *call);
    /*
     * Report with host->plan_change() and host->plan_calls() what apply() would do now, for one
     * device or the job. May read from the service and the store, but must not change them.
     * `call->arguments` is NULL: report what remove() would do for the device.
     */
    enum iotify_result (*plan)(void *instance, struct iotify_call *call);
    /*
     * Report with host->plan_calls() the calls of one apply() for a new device. The host computes
     * the duration of the step and the operation that limits its rate from them. Offline; cheap.
     */
    void (*estimate)(void *instance, struct iotify_call *call);
    /* Report with host->permit() which permissions the step needs. Offline. */
    void (*permit)(void *instance, struct iotify_call *call);
    /*
     * IOTIFY_SCOPE_DEVICE only: remove what apply() created for a device that is no longer in the
     * job (--prune). Same rules as apply(), but `call->arguments` is NULL.
     */
    enum iotify_result (*remove)(void *instance, struct iotify_call *call);
    /*
     * IOTIFY_SCOPE_DEVICE only: write the device's record from what exists at the service, so that
     * a cleanup works without the original store, and report it with host->plan_change(). The host
     * discards writes to the store while it only plans. IOTIFY_RESULT_UNCHANGED: the service has
     * nothing of this job for the device, or a record exists already.
     */
    enum iotify_result (*recover)(void *instance, struct iotify_call *call);
    /*
     * The action only removes what records name: without records there is nothing to do, and a run
     * of such actions alone creates no store. Implied by IOTIFY_SCOPE_RECORD.
     */
    bool removes;
    /*
     * IOTIFY_SCOPE_DEVICE only: true when apply() has nothing left to do for a device with this
     * record, as far as it tells. For the forecast of a step that resumes. Offline; main thread.
     * NULL: true for all records.
     */
    bool (*is_complete)(const struct iotify_record *record);
};

/* A step of the default pipelines of a connector. */
struct iotify_default_step {
    const char *pipeline;
    const char *step;     /* ".NAME": an action of this plugin; otherwise a step of the core */
    const char *settings; /* a YAML flow mapping; "{}" for the defaults */
};

struct iotify_plugin {
    uint32_t magic;       /* IOTIFY_MAGIC */
    uint32_t struct_size; /* sizeof(struct iotify_plugin) as the plugin was built */
    uint16_t abi_major;   /* IOTIFY_ABI_MAJOR */
    uint16_t abi_minor;   /* IOTIFY_ABI_MINOR */
    uint16_t needs_minor; /* the lowest `abi_minor` of a host that can use the plugin; 0: any */
    enum iotify_kind kind;
    const char *name;                       /* as in `use:`; the file must be `iotify-NAME.so` */
    const char *version;                    /* of the plugin */
    const char *summary;                    /* one line */
    const struct iotify_settings *settings; /* NULL: none */
    /* struct iotify_connector, iotify_storage or iotify_transport, as `kind` says */
    const void *operations;
    const struct iotify_action *const *actions; /* connectors only */
    uint32_t action_count;
    uint32_t action_size;                            /* sizeof(struct iotify_action) */
    const struct iotify_default_step *default_steps; /* connectors only */
    uint32_t default_step_count;
    uint32_t default_step_size; /* sizeof(struct iotify_default_step) */
    /*
     * The libraries that the plugin uses, with the versions at run time: "libx 1.2.3, liby 4". For
     * `iotifyd --version`. Called on the main thread, without an instance. The text is owned by the
     * plugin and lives as long as it is loaded. NULL: no libraries to report.
     */
    const char *(*libraries)(void);
};

#ifdef __cplusplus
}
#endif

#endif
