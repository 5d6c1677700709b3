/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin contract: what a shared object exports, and the words both sides share.
 *
 * A plugin is one shared object, `iotify-NAME.so`, that exports one constant data symbol,
 * `iotify_plugin`, of type `struct iotify_plugin`. Nothing has to be called to describe a plugin:
 * its kind, settings and actions are data. Everything else in the object stays hidden.
 *
 * Versions. `abi_major` must be the host's; `abi_minor` says which members the plugin knows.
 * Members are only ever added at the end of a structure, and each structure or array element
 * carries its size: the host copies the smaller of both sizes into zeros, so an old plugin runs
 * in a new host, and a new plugin in an old host as far as the host goes.
 *
 * Memory. What an operation hands back through an `out` parameter comes from the call's arena
 * (`host->alloc`) and lives until the call ends. Nothing is freed across the boundary. Option
 * structures belong to the host and live until the instance is closed.
 *
 * Threads. Connector and storage operations block and are called from worker threads as their
 * `threads` member says. Transport operations and events run on the thread of their loop and
 * must not block.
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
#define IOTIFY_ABI_MAJOR 1
#define IOTIFY_ABI_MINOR 4

/* Put before the definition of the descriptor; all else is built with hidden visibility. */
#define IOTIFY_EXPORT __attribute__((visibility("default")))

/* Values start at 1 so that a forgotten member is recognised. */
enum iotify_kind { IOTIFY_CONNECTOR = 1, IOTIFY_STORAGE = 2, IOTIFY_TRANSPORT = 3 };

/*
 * How an operation ended. The host decides from it what happens next: only IOTIFY_THROTTLED and
 * IOTIFY_TRANSIENT are repeated, and only by the host.
 */
enum iotify_result {
    IOTIFY_OK = 0,
    IOTIFY_UNCHANGED, /* done, and nothing had to be changed */
    IOTIFY_INVALID,   /* the request or a setting is wrong */
    IOTIFY_NOT_FOUND,
    IOTIFY_EXISTS,    /* it is there already, and differs */
    IOTIFY_CONFLICT,  /* the present state forbids it, or a compare-and-set lost */
    IOTIFY_DENIED,    /* credentials are missing, expired or refused */
    IOTIFY_THROTTLED, /* the service asks to slow down: the host repeats later */
    IOTIFY_TRANSIENT, /* no answer, or a passing fault: the host repeats */
    IOTIFY_FULL,      /* a disk or a resource limit */
    IOTIFY_CANCELLED, /* the run is stopping */
    IOTIFY_FAILED     /* anything else; permanent */
};

/* How many threads may be inside an instance's blocking operations at once. */
enum iotify_threads {
    IOTIFY_SERIAL = 1,   /* one for all instances of the plugin */
    IOTIFY_PER_INSTANCE, /* one for each instance */
    IOTIFY_PARALLEL      /* any number */
};

enum iotify_level { IOTIFY_ERROR = 0, IOTIFY_WARNING, IOTIFY_INFO, IOTIFY_DEBUG };

/* Bytes with a length; `data` may hold NUL and is not terminated unless said so. */
struct iotify_bytes {
    const void *data;
    size_t size;
};

struct iotify_call;

/* What an action is done for. */
enum iotify_scope {
    IOTIFY_FOR_JOB = 1, /* once */
    IOTIFY_FOR_DEVICE,  /* once for each client of the job */
    IOTIFY_FOR_RECORD   /* once for each client that has a record in the store */
};

/*
 * One action of a connector: a step `alias.name` of a pipeline.
 * Settings flagged IOTIFY_EXPRESSION are expanded by the host for each client before `apply`,
 * `plan` and `recover`; everywhere else they stand as they are written. A member that is NULL has
 * nothing to do.
 */
struct iotify_action {
    const char *name;
    const char *summary; /* one line, for help and docs */
    enum iotify_scope scope;
    const struct iotify_settings *settings;
    /*
     * Check across settings and remember what later actions need. Offline, without side effects,
     * once for each step in the order of the job file.
     * Errors: IOTIFY_INVALID after host->fail_setting().
     */
    enum iotify_result (*prepare)(void *instance, struct iotify_call *call);
    /*
     * Do it. Blocking, on a worker thread. IOTIFY_UNCHANGED when all was there already.
     * Must be safe to repeat: the same step runs again after any failure. Never NULL.
     */
    enum iotify_result (*apply)(void *instance, struct iotify_call *call);
    /* Once before apply() for the whole step; `call->client` is -1. A failure ends the step. */
    enum iotify_result (*begin)(void *instance, struct iotify_call *call);
    /*
     * Once behind apply() for the whole step, `call->client` is -1, also when some clients failed;
     * not after a stop. For what is cheaper, or only possible, when all are done.
     */
    enum iotify_result (*conclude)(void *instance, struct iotify_call *call);
    /*
     * Tell by host->plan_change() and host->plan_calls() what apply() would do now, for one client
     * or the job as apply() does it. May read from service and store, changes neither. One thread.
     * With `call->arguments` NULL: what remove() would do for the client.
     */
    enum iotify_result (*plan)(void *instance, struct iotify_call *call);
    /*
     * Tell by host->plan_calls() what one apply() for something new takes. Offline, cheap.
     * From it come the time that a step will take and the operation that sets its pace.
     */
    void (*estimate)(void *instance, struct iotify_call *call);
    /* Tell by host->permit() what the caller must be allowed to do for this step. Offline. */
    void (*permit)(void *instance, struct iotify_call *call);
    /*
     * IOTIFY_FOR_DEVICE only: take away what apply() once made for a client that the job has no
     * more; like apply() otherwise. `call->arguments` is NULL.
     */
    enum iotify_result (*remove)(void *instance, struct iotify_call *call);
    /*
     * IOTIFY_FOR_DEVICE only: make up the client's record from what the service has, so that it
     * can be removed without the store that it was made with, and tell so by host->plan_change().
     * Writes to the store have no effect while the host only plans. IOTIFY_UNCHANGED when there is
     * nothing of this job's, or a record is there. One thread.
     */
    enum iotify_result (*recover)(void *instance, struct iotify_call *call);
};

/* A step of the pipelines that a connector brings along. */
struct iotify_default_step {
    const char *pipeline;
    const char *step;     /* ".NAME" is an action of this plugin; else a step of the core */
    const char *settings; /* a YAML flow mapping, "{}" where the defaults do */
};

struct iotify_plugin {
    uint32_t magic;       /* IOTIFY_MAGIC */
    uint32_t struct_size; /* sizeof(struct iotify_plugin) as the plugin was built */
    uint16_t abi_major;   /* IOTIFY_ABI_MAJOR */
    uint16_t abi_minor;   /* IOTIFY_ABI_MINOR */
    enum iotify_kind kind;
    const char *name;                       /* as in `use:`; the file is `iotify-NAME.so` */
    const char *version;                    /* of the plugin */
    const char *summary;                    /* one line */
    const struct iotify_settings *settings; /* never NULL; `count` may be 0 */
    /* struct iotify_connector, iotify_storage or iotify_transport, by kind; starts with its size */
    const void *operations;
    const struct iotify_action *const *actions; /* connectors only */
    uint32_t action_count;
    uint32_t action_size;                            /* sizeof(struct iotify_action) */
    const struct iotify_default_step *default_steps; /* connectors only */
    uint32_t default_step_count;
    uint32_t default_step_size; /* sizeof(struct iotify_default_step) */
    /*
     * The libraries that the plugin uses, with the versions that are loaded: "libx 1.2.3, liby 4".
     * For `iotifyd --version`. Any thread, without an instance; the text lives as long as the
     * plugin. NULL: none worth naming. Since minor 4.
     */
    const char *(*libraries)(void);
};

#ifdef __cplusplus
}
#endif

#endif
