/* SPDX-License-Identifier: Apache-2.0 */
/* message() of many clients in one entry into JavaScriptCore. */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/script/script_internal.h"

/* Longer outputs of a batch are converted one by one. */
#define JOINED_MAX (1u << 20)

/* Convert the outputs of all entries at once, if they can be separated afterwards. */
static void script_batch_take_joined(struct script *script, JSValueRef value)
{
    JSStringRef string;
    size_t length, needed;

    script->joined.plain = false;
    script->joined.at = script->joined.size = 0;
    string = value ? JSValueToStringCopy(script->context, value, NULL) : NULL;
    if (!string)
        return;
    length = JSStringGetLength(string);
    needed = JSStringGetMaximumUTF8CStringSize(string);
    if (length <= JOINED_MAX) {
        if (needed > script->joined.capacity) {
            /* Not realloc(): it would leave sent data in freed memory. */
            if (script->joined.text)
                explicit_bzero(script->joined.text, script->joined.capacity);
            free(script->joined.text);
            script->joined.text = memory_new(1, needed);
            script->joined.capacity = needed;
        }
        script->joined.size =
            JSStringGetUTF8CString(string, script->joined.text, script->joined.capacity);
        script->joined.plain = script->joined.size == length + 1;
    }
    JSStringRelease(string);
}

/*
 * Run the entries from `from`; returns the index after the last. An entry that is cut short counts.
 */
static size_t script_batch_run_entries(
    struct script *script, size_t from, size_t count, JSValueRef *exception)
{
    JSValueRef arguments[2] = {
        script->bodies[SCRIPT_MESSAGE].function, JSValueMakeNumber(script->context, (double)count)};
    JSValueRef value;

    script->turns->at = (double)from;
    script_enter(script, (struct script_turn){-1, -1, -1});
    *exception = NULL;
    value = script_call(script, script->run_messages, 2, arguments, exception);
    script_leave(script);
    script_batch_take_joined(script, value);
    return (size_t)script->turns->at;
}

/* Take the output of an entry that returned a string; false: it must be converted by itself. */
static bool script_batch_split(struct script *script, size_t index, struct script_output *output)
{
    size_t length = (size_t)script->turns->batch[index].iteration_or_length;

    if (!script->joined.plain)
        return false;
    output->bytes = (struct iotify_bytes){script->joined.text + script->joined.at, length};
    output->has_output = true;
    script->joined.at += length;
    return true;
}

/* The limit that ended a call. */
struct script_batch_cut {
    bool timed_out, overgrown;
};

static void script_batch_convert(struct script *script, size_t index, struct script_output *output,
    struct script_error *error, struct iotify_buffer *out)
{
    struct location location = script_blamed(script, SCRIPT_MESSAGE);
    JSValueRef value =
        JSObjectGetPropertyAtIndex(script->context, script->results, (unsigned)index, NULL);

    iotify_buffer_reset(out);
    if ((enum script_outcome)script->turns->batch[index].slot_or_outcome == THROWN) {
        arena_wipe(&script->error_arena);
        script_describe(script, value, location, error);
        output->error = error;
    } else if (!script_take_output(script, value, out, &output->has_output, error)) {
        output->error = error;
    }
    output->bytes = (struct iotify_bytes){out->data, out->size};
}

static void script_batch_report_entry(
    struct script *script, size_t index, int64_t nanoseconds, struct script_batch *batch)
{
    enum script_outcome outcome = (enum script_outcome)script->turns->batch[index].slot_or_outcome;
    struct script_output output = {
        .index = index, .nanoseconds = nanoseconds, .pending = outcome == PENDING};
    struct script_error error;
    struct arena held;

    if (outcome == SOMETHING_ELSE || outcome == THROWN ||
        (outcome == A_STRING && !script_batch_split(script, index, &output)))
        script_batch_convert(script, index, &output, &error, batch->out);
    held = script_hold_error(script);
    batch->done(batch->argument, &output);
    arena_wipe(&held);
}

/*
 * Report the call that a limit ended. `cut` is needed because earlier reports reset the script's
 * flags.
 */
static void script_batch_report_cut(struct script *script, size_t index,
    const struct script_batch_cut *cut, JSValueRef exception, struct script_batch *batch)
{
    struct script_error error;
    struct script_output output = {.index = index, .error = &error};
    struct arena held;

    script->timed_out = cut->timed_out;
    script->overgrown = cut->overgrown;
    script_describe(script, exception, script_blamed(script, SCRIPT_MESSAGE), &error);
    held = script_hold_error(script);
    batch->done(batch->argument, &output);
    arena_wipe(&held);
}

static bool script_batch_is_pending(const struct script *script, size_t index)
{
    return (enum script_outcome)script->turns->batch[index].slot_or_outcome == PENDING;
}

void script_messages(struct script *script, const struct script_turn *turns, size_t count,
    struct script_batch *batch)
{
    size_t at = 0;

    if (!script->bodies[SCRIPT_MESSAGE].function) {
        for (size_t i = 0; i < count; i++)
            batch->done(batch->argument, &(struct script_output){.index = i});
        return;
    }
    for (size_t i = 0; i < count; i++) {
        script->turns->batch[i].slot_or_outcome = (double)turns[i].slot;
        script->turns->batch[i].client = (double)turns[i].client;
        script->turns->batch[i].iteration_or_length = (double)turns[i].iteration;
    }
    while (at < count) {
        JSValueRef exception;
        int64_t began = clock_now();
        size_t end =
            script_batch_run_entries(script, at, script->alone ? at + 1 : count, &exception);
        int64_t each = (clock_now() - began) / (int64_t)(end > at ? end - at : 1);
        struct script_batch_cut cut = {script->timed_out, script->overgrown};
        bool notifying;
        bool is_cut = cut.timed_out || exception;
        /* The limit may also have ended a promise's function, after the last call returned. */
        bool cut_promise = is_cut && end > at && script_batch_is_pending(script, end - 1);
        size_t good = is_cut && (cut_promise || end == count) ? end - 1 : end;

        script->timed_out = false;
        /* `done` may evaluate expressions; what settles there is reported after the round. */
        notifying = script->notifying;
        script->notifying = true;
        for (; at < good; at++)
            script_batch_report_entry(script, at, each, batch);
        if (cut_promise)
            script_drop_call(script, script->turns->batch[at].iteration_or_length);
        if (is_cut)
            script_batch_report_cut(script, at++, &cut, exception, batch);
        script->notifying = notifying;
        script_settle_call(script);
    }
    script->turns->at = 0;
}
