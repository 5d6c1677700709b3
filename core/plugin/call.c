/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plugin/call.h"

#include <stdio.h>
#include <string.h>

#include <iotify/extensions.h>

#include "core/base/activity.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/base/utf8.h"
#include "core/plugin/readahead.h"
#include "core/plugin/socketpair.h"
#include "core/settings/schema.h"

/* The codes appear in summaries, the words in messages when a plugin gave none. */
static const struct {
    const char *code, *words;
} results[] = {
    [IOTIFY_RESULT_OK] = {"OK", "done"},
    [IOTIFY_RESULT_UNCHANGED] = {"Unchanged", "up to date"},
    [IOTIFY_RESULT_INVALID] = {"Invalid", "the request is not valid"},
    [IOTIFY_RESULT_NOT_FOUND] = {"NotFound", "not found"},
    [IOTIFY_RESULT_EXISTS] = {"Exists", "exists already"},
    [IOTIFY_RESULT_CONFLICT] = {"Conflict", "the current state does not allow it"},
    [IOTIFY_RESULT_DENIED] = {"Denied", "not allowed"},
    [IOTIFY_RESULT_THROTTLED] = {"Throttled", "the service asked to slow down, again and again"},
    [IOTIFY_RESULT_TRANSIENT] = {"Transient", "no answer after several tries"},
    [IOTIFY_RESULT_FULL] = {"Full", "a disk or a resource limit is reached"},
    [IOTIFY_RESULT_CANCELLED] = {"Cancelled", "interrupted"},
    [IOTIFY_RESULT_FAILED] = {"Failed", "failed"},
};

static struct call *call_of(struct iotify_call *call)
{
    return (struct call *)call;
}

/* Texts of plugins are foreign: one line, without what a terminal would obey. NULL is "". */
static void call_take_text(char *into, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static void call_take_text(char *into, size_t size, const char *format, va_list arguments)
{
    into[0] = '\0';
    if (format)
        vsnprintf(into, size, format, arguments);
    for (char *c = into; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    utf8_clean(into);
}

/* A code is a short name; any other character is a mistake of the plugin. */
static void call_take_code(struct call *call, const char *code)
{
    snprintf(call->code, sizeof(call->code), "%s", code ? code : "");
    for (char *c = call->code; *c; c++)
        if (!(*c >= '0' && *c <= '9') && !(*c >= 'A' && *c <= 'Z') && !(*c >= 'a' && *c <= 'z') &&
            !strchr("._-:", *c))
            *c = '_';
}

void call_log(struct iotify_call *call, enum iotify_level level, const char *format, ...)
{
    struct activity before;
    va_list arguments;
    char where[256];

    if (!format)
        return;
    before = activity_pause();
    if (level < IOTIFY_LOG_ERROR || level > IOTIFY_LOG_DEBUG)
        level = IOTIFY_LOG_ERROR;
    if (call->client >= 0)
        snprintf(where, sizeof(where), "%s[%lld]", call_of(call)->where, (long long)call->client);
    else
        snprintf(where, sizeof(where), "%s", call_of(call)->where);
    va_start(arguments, format);
    log_vwrite(level, where, format, arguments);
    va_end(arguments);
    activity_end(before);
}

enum iotify_result call_fail(
    struct iotify_call *call, enum iotify_result result, const char *code, const char *format, ...)
{
    va_list arguments;

    call_take_code(call_of(call), code);
    va_start(arguments, format);
    call_take_text(call_of(call)->message, sizeof(call_of(call)->message), format, arguments);
    va_end(arguments);
    return result;
}

enum iotify_result call_fail_setting(
    struct iotify_call *call, const char *setting, const char *format, ...)
{
    const struct node *given = setting ? schema_given(call_of(call)->node, setting) : NULL;
    va_list arguments;

    va_start(arguments, format);
    call_take_text(call_of(call)->message, sizeof(call_of(call)->message), format, arguments);
    va_end(arguments);
    if (call_of(call)->diagnostics)
        diagnostics_add(call_of(call)->diagnostics,
            given ? given->location : call_of(call)->location, "%s", call_of(call)->message);
    return IOTIFY_RESULT_INVALID;
}

void *call_alloc(struct iotify_call *call, size_t size)
{
    return arena_alloc(&call_of(call)->arena, size);
}

void call_plan_change(struct iotify_call *call, enum iotify_change change, const char *kind,
    const char *name, const char *why)
{
    if (call_of(call)->plan)
        forecast_add_change(call_of(call)->plan, change, kind, name, why);
}

void call_plan_calls(struct iotify_call *call, const char *operation, int64_t count)
{
    if (call_of(call)->plan)
        forecast_add_calls(call_of(call)->plan, operation, count);
}

void call_permit(struct iotify_call *call, const char *action, const char *resource)
{
    if (call_of(call)->plan)
        forecast_add_permission(call_of(call)->plan, action, resource);
}

static enum iotify_result call_no_perform(struct iotify_call *call, const char *operation,
    enum iotify_result (*function)(struct iotify_call *call, void *argument), void *argument)
{
    (void)function;
    (void)argument;
    return call_fail(call, IOTIFY_RESULT_FAILED, "Offline", "%s is not possible here", operation);
}

static enum iotify_result call_no_wait(struct iotify_call *call, int64_t nanoseconds)
{
    (void)nanoseconds;
    return call_fail(call, IOTIFY_RESULT_FAILED, "Offline", "waiting is not possible here");
}

static enum iotify_result call_no_later(struct iotify_call *call, int64_t nanoseconds, int stage)
{
    (void)stage;
    return call_no_wait(call, nanoseconds);
}

static void call_keep_retry_after(struct iotify_call *call, int64_t nanoseconds)
{
    call_of(call)->retry_after = nanoseconds;
}

static enum iotify_result call_no_read(struct iotify_call *call, struct iotify_bytes *out)
{
    *out = (struct iotify_bytes){0};
    return call_fail(call, IOTIFY_RESULT_FAILED, "Offline", "the store is not open here");
}

static enum iotify_result call_no_get(
    struct iotify_call *call, const char *key, struct iotify_bytes *out)
{
    (void)key;
    return call_no_read(call, out);
}

static enum iotify_result call_no_apply(
    struct iotify_call *call, struct iotify_write *writes, size_t count)
{
    (void)writes;
    (void)count;
    return call_fail(call, IOTIFY_RESULT_FAILED, "Offline", "the store is not open here");
}

static enum iotify_result call_no_set(struct iotify_call *call, struct iotify_bytes expected,
    struct iotify_bytes value, struct iotify_write *globs, size_t count)
{
    (void)expected;
    (void)value;
    return call_no_apply(call, globs, count);
}

static enum iotify_result call_no_records(struct iotify_call *call,
    enum iotify_result (*found)(void *argument, const struct iotify_record *record), void *argument)
{
    (void)found;
    (void)argument;
    return call_no_apply(call, NULL, 0);
}

static enum iotify_result call_no_write(
    struct iotify_call *call, const struct iotify_record_write *writes, size_t count)
{
    (void)writes;
    (void)count;
    return call_no_apply(call, NULL, 0);
}

static const char *call_no_name(struct iotify_call *call)
{
    (void)call;
    return "";
}

static unsigned call_no_mode(struct iotify_call *call)
{
    (void)call;
    return 0;
}

static void call_no_repair(struct iotify_call *call, const char *what)
{
    (void)call;
    (void)what;
}

static bool call_cancelled(struct iotify_call *call)
{
    (void)call;
    return stop_cancels();
}

static int call_cancel_descriptor(struct iotify_call *call)
{
    (void)call;
    return stop_descriptor();
}

static const struct iotify_socketpair_1 call_socketpair = {.without = socketpair_without};
static const struct iotify_read_ahead_1 call_read_ahead = {.with = readahead_with};

static const void *call_extension(struct iotify_call *call, const char *name)
{
    static const struct {
        const char *name;
        const void *table;
    } extensions[] = {
        {IOTIFY_EXTENSION_SOCKETPAIR_1, &call_socketpair},
        {IOTIFY_EXTENSION_READ_AHEAD_1, &call_read_ahead},
    };

    (void)call;
    for (size_t i = 0; name && i < sizeof(extensions) / sizeof(extensions[0]); i++)
        if (strcmp(extensions[i].name, name) == 0)
            return extensions[i].table;
    return NULL;
}

static const struct iotify_host offline = {
    .struct_size = sizeof(struct iotify_host),
    .abi_major = IOTIFY_ABI_MAJOR,
    .abi_minor = IOTIFY_ABI_MINOR,
    .log = call_log,
    .fail = call_fail,
    .fail_setting = call_fail_setting,
    .alloc = call_alloc,
    .perform = call_no_perform,
    .wait = call_no_wait,
    .retry_after = call_keep_retry_after,
    .glob_get = call_no_get,
    .glob_apply = call_no_apply,
    .record_get = call_no_read,
    .record_set = call_no_set,
    .records = call_no_records,
    .records_write = call_no_write,
    .job_name = call_no_name,
    .plan_change = call_plan_change,
    .plan_calls = call_plan_calls,
    .permit = call_permit,
    .later = call_no_later,
    .all_records = call_no_records,
    .repair_mode = call_no_mode,
    .repaired = call_no_repair,
    .cancelled = call_cancelled,
    .cancel_descriptor = call_cancel_descriptor,
    .extension = call_extension,
};

const struct iotify_host *call_offline_host(void)
{
    return &offline;
}

void call_init(struct call *call, const char *where)
{
    *call = (struct call){
        .base = {.struct_size = sizeof(struct iotify_call), .host = &offline, .client = -1},
        .where = where};
}

void call_clear(struct call *call)
{
    arena_wipe(&call->arena);
}

enum iotify_result call_fault(
    struct call *call, const char *plugin, const char *operation, const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return call_fail(&call->base, IOTIFY_RESULT_FAILED, "PluginFault",
        "%s: %s() %s; this is a mistake of the plugin", plugin, operation, text);
}

enum iotify_result call_run_action(struct call *call, const char *plugin, const char *action,
    const char *operation, enum iotify_result (*function)(void *instance, struct iotify_call *call),
    void *instance)
{
    struct activity before = activity_begin_action(plugin, action, operation);
    enum iotify_result result = function(instance, &call->base);

    activity_end(before);
    return result;
}

static bool call_knows(enum iotify_result result)
{
    return result >= IOTIFY_RESULT_OK && result <= IOTIFY_RESULT_FAILED;
}

enum iotify_result call_checked(
    struct call *call, const char *plugin, const char *operation, enum iotify_result result)
{
    return call_knows(result) ? result
                              : call_fault(call, plugin, operation, "returned the result %s",
                                    call_result_name(result));
}

enum iotify_result call_checked_action(struct call *call, const char *plugin, const char *action,
    const char *operation, enum iotify_result result)
{
    /* The name is put together only when it is needed: this is called for each device. */
    return call_knows(result) ? result
                              : call_checked(call, plugin,
                                    arena_format(&call->arena, "%s.%s", action, operation), result);
}

enum iotify_result call_checked_open(
    struct call *call, const char *plugin, enum iotify_result result, const void *instance)
{
    result = call_checked(call, plugin, "open", result);
    if (result == IOTIFY_RESULT_UNCHANGED)
        return call_fault(call, plugin, "open", "returned the result Unchanged");
    return result == IOTIFY_RESULT_OK && !instance
               ? call_fault(call, plugin, "open", "returned OK without an instance")
               : result;
}

bool call_succeeded(enum iotify_result result)
{
    return result == IOTIFY_RESULT_OK || result == IOTIFY_RESULT_UNCHANGED;
}

const char *call_result_name(enum iotify_result result)
{
    static _Thread_local char text[32];

    if (call_knows(result))
        return results[result].code;
    snprintf(text, sizeof(text), "%d", (int)result);
    return text;
}

void call_take_failure(struct call *call, const struct call *from)
{
    memcpy(call->code, from->code, sizeof(call->code));
    memcpy(call->message, from->message, sizeof(call->message));
}

const char *call_message(const struct call *call, enum iotify_result result)
{
    if (*call->message)
        return call->message;
    return call_knows(result) ? results[result].words : "failed";
}

const char *call_code(const struct call *call, enum iotify_result result)
{
    if (*call->code)
        return call->code;
    return call_knows(result) ? results[result].code : "Failed";
}
