/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call into a plugin: its arena, its location for the log, and the cause of a failure. The host
 * table in `base` decides which functions the plugin may use. One thread at a time.
 */
#ifndef CORE_PLUGIN_CALL_H
#define CORE_PLUGIN_CALL_H

#include <iotify/host.h>

#include "core/base/arena.h"
#include "core/base/diagnostics.h"
#include "core/plugin/forecast.h"
#include "core/settings/tree.h"

struct call {
    struct iotify_call base; /* first: the plugin sees this part */
    struct arena arena;
    const char *where;               /* for the log: "deploy/aws.device"; never NULL */
    void *context;                   /* of the host table; NULL in the offline one */
    const struct node *node;         /* the settings, for fail_setting; may be NULL */
    struct location location;        /* of the step in the job file */
    struct diagnostics *diagnostics; /* receives the errors of fail_setting; may be NULL */
    char code[64];                   /* of the last failure; "" when the plugin gave none */
    char message[512];
    int64_t retry_after;   /* nanoseconds */
    struct forecast *plan; /* receives the changes that the plugin plans; may be NULL */
};

/*
 * Initialise a call with the offline host table: the plugin can log, fail, allocate, plan and
 * permit, and nothing else. For open, prepare and the operations of storages and transports.
 * `where` must outlive the call. End it with call_clear().
 */
void call_init(struct call *call, const char *where);
/* The host table of offline calls; the functions in it work in all others, too. */
const struct iotify_host *call_offline_host(void);
/* Overwrite and free the arena. */
void call_clear(struct call *call);

/* The functions that all host tables share: see struct iotify_host. */
void call_log(struct iotify_call *call, enum iotify_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum iotify_result call_fail(struct iotify_call *call, enum iotify_result result, const char *code,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
enum iotify_result call_fail_setting(struct iotify_call *call, const char *setting,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
void *call_alloc(struct iotify_call *call, size_t size);
void call_plan_change(struct iotify_call *call, enum iotify_change change, const char *kind,
    const char *name, const char *why);
void call_plan_calls(struct iotify_call *call, const char *operation, int64_t count);
void call_permit(struct iotify_call *call, const char *action, const char *resource);
/*
 * The plugin broke a rule of the contract in one of its operations: the failure `PluginFault`,
 * with what it did. Returns IOTIFY_RESULT_FAILED.
 */
enum iotify_result call_fault(struct call *call, const char *plugin, const char *operation,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Call a function of an action; `operation` is its name. What it returns is not checked yet. */
enum iotify_result call_run_action(struct call *call, const char *plugin, const char *action,
    const char *operation, enum iotify_result (*function)(void *instance, struct iotify_call *call),
    void *instance);
/*
 * What an operation of a connector or transport returned, if it is one of the results of the
 * contract; else a fault. IOTIFY_RESULT_LATER is none of them.
 */
enum iotify_result call_checked(
    struct call *call, const char *plugin, const char *operation, enum iotify_result result);
/* The same of an operation of an action. */
enum iotify_result call_checked_action(struct call *call, const char *plugin, const char *action,
    const char *operation, enum iotify_result result);
/* As call_checked(), for open(): IOTIFY_RESULT_OK comes with an instance. */
enum iotify_result call_checked_open(
    struct call *call, const char *plugin, enum iotify_result result, const void *instance);
/* True for IOTIFY_RESULT_OK and IOTIFY_RESULT_UNCHANGED. */
bool call_succeeded(enum iotify_result result);
/* "NotFound", or "99" of a value that is none. In a buffer of the thread. */
const char *call_result_name(enum iotify_result result);
/* Copy the code and the message of another call's failure. */
void call_take_failure(struct call *call, const struct call *from);
/*
 * The message or the code of the failure; a general text for `result` when the plugin gave none.
 * Valid as long as the call.
 */
const char *call_message(const struct call *call, enum iotify_result result);
const char *call_code(const struct call *call, enum iotify_result result);

#endif
