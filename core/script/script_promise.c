/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that wait: promises, their resumption, and the answers that they wait for. */
#include "core/base/clock.h"
#include "core/script/script_internal.h"

/* How long resumed clients may run before other work of the loop. */
#define RESUME_SLICE (20 * MILLISECOND)

static const struct script_turn script_promise_no_turn = {-1, -1, -1};

/* ------------------------------------------------------------------ resuming */

/* Fail the calls of a slot that wait for a promise; false when there are none. */
static bool script_promise_cut_calls(
    struct script *script, int64_t slot, const struct script_error *error)
{
    JSContextRef context = script->context;
    JSValueRef arguments[3] = {JSValueMakeNumber(context, (double)slot),
        script_text_value(context, error->code), script_text_value(context, error->text)};
    JSValueRef cut = script_call(script, script->cut_calls, 3, arguments, NULL);

    return cut && JSValueToBoolean(script->context, cut);
}

/*
 * Enter JavaScriptCore for code whose turn the runtime sets: a callback, or code after an await.
 * NULL after an error, which has been reported.
 */
static JSValueRef script_promise_resume_call(
    struct script *script, JSObjectRef function, size_t count, const JSValueRef *arguments)
{
    JSValueRef exception = NULL, value;
    struct script_turn turn;
    struct script_output output = {0};
    struct script_error error;
    struct arena held;
    bool behind_await;

    script_enter(script, script_promise_no_turn);
    value = script_call(script, function, count, arguments, &exception);
    script_leave(script);
    if (value && !script->timed_out)
        return value;
    /*
     * A limit in a callback of the glob fails that callback; any other limit ended code after an
     * await.
     */
    behind_await = script->timed_out && (value || function == script->resume);
    turn = script_current_turn(script);
    script_describe(script, exception, script_blamed(script, SCRIPT_MESSAGE), &error);
    output.error = &error;
    held = script_hold_error(script);
    /*
     * Code after an await belongs to a call that waits: fail that call. Report other errors
     * directly.
     */
    if (!(behind_await && script_promise_cut_calls(script, turn.slot, &error)) &&
        script->services.settled)
        script->services.settled(script->services.context, SCRIPT_RESPONSE, &turn, &output);
    arena_wipe(&held);
    return NULL;
}

/* ------------------------------------------------------------------ settled calls */

static double script_promise_number_of(struct script *script, JSObjectRef object, const char *name)
{
    return JSValueToNumber(script->context, script_property(script->context, object, name), NULL);
}

/* A call whose promise has settled, as the runtime stores it. */
struct script_promise_settled {
    JSObjectRef call; /* NULL: none */
    double id;
    enum script_function function;
    struct script_turn turn;
};

/* Take the settled call with this id; 0: the first. False when there is none. */
static bool script_promise_take_settled(
    struct script *script, double id, struct script_promise_settled *settled)
{
    JSValueRef argument = JSValueMakeNumber(script->context, id), value;

    *settled = (struct script_promise_settled){0};
    if (script->turns->settled < 1)
        return false;
    value = script_call(script, script->take_settled, 1, &argument, NULL);
    if (!value || !JSValueIsObject(script->context, value))
        return false;
    settled->call = JSValueToObject(script->context, value, NULL);
    settled->id = script_promise_number_of(script, settled->call, "id");
    settled->function =
        (enum script_function)script_promise_number_of(script, settled->call, "which");
    settled->turn =
        (struct script_turn){(int64_t)script_promise_number_of(script, settled->call, "slot"),
            (int64_t)script_promise_number_of(script, settled->call, "client"),
            (int64_t)script_promise_number_of(script, settled->call, "iteration")};
    return true;
}

/* The result of a settled call; the output of message() goes to `out`. */
static bool script_promise_settled_output(struct script *script,
    const struct script_promise_settled *settled, struct iotify_buffer *out, bool *has_output,
    struct script_error *error)
{
    JSValueRef value = script_property(script->context, settled->call, "value");
    JSValueRef code = script_property(script->context, settled->call, "code");

    if (JSValueToBoolean(
            script->context, script_property(script->context, settled->call, "failed"))) {
        script_describe(script, value, script_blamed(script, settled->function), error);
        /* An error of the host, not of the script: `value` is the whole text. */
        if (JSValueIsString(script->context, code)) {
            error->code = script_text(script->context, &script->error_arena, code);
            error->text = script_text(script->context, &script->error_arena, value);
        }
        return false;
    }
    return settled->function != SCRIPT_MESSAGE || !out ||
           script_take_output(script, value, out, has_output, error);
}

static void script_promise_report_settled(
    struct script *script, const struct script_promise_settled *settled)
{
    struct script_output output = {0};
    struct script_error error;
    struct iotify_buffer bytes;
    struct arena held;

    if (!script->services.settled)
        return;
    iotify_buffer_init(&bytes, OUTPUT_MAX);
    if (!script_promise_settled_output(script, settled, &bytes, &output.has_output, &error))
        output.error = &error;
    output.bytes = (struct iotify_bytes){iotify_buffer_text(&bytes), bytes.size};
    held = script_hold_error(script);
    script->services.settled(script->services.context, settled->function, &settled->turn, &output);
    arena_wipe(&held);
    iotify_buffer_wipe(&bytes);
}

/*
 * Resume code that waits for a promise that another client settled. Each reaction gets an entry of
 * its own, so that all that follows has the right turn. A time slice lets the loop do other work:
 * there may be one reaction per client, and a ring of them never ends.
 */
static void script_promise_resume(struct script *script)
{
    int64_t until;

    if (script->turns->resumptions < 1)
        return;
    until = clock_now() + RESUME_SLICE;
    do
        script_promise_resume_call(script, script->resume, 0, NULL);
    while (script->turns->resumptions > 0 && clock_now() < until);
    if (script->turns->resumptions > 0 && script->services.more)
        script->services.more(script->services.context);
}

/* Report all settled calls except the one with this id, which is returned in `own`. */
static void script_promise_settle_others(
    struct script *script, double id, struct script_promise_settled *own)
{
    struct script_promise_settled settled;

    *own = (struct script_promise_settled){0};
    script_promise_resume(script);
    /* `settled` may call functions: what settles then is reported by the outermost caller. */
    if (script->notifying) {
        script_promise_take_settled(script, id, own);
        return;
    }
    script->notifying = true;
    while (script_promise_take_settled(script, 0, &settled)) {
        if (settled.id < id || settled.id > id)
            script_promise_report_settled(script, &settled);
        else
            *own = settled;
    }
    script->notifying = false;
}

void script_settle(struct script *script)
{
    struct script_promise_settled none;

    script_promise_settle_others(script, -1, &none);
}

void script_drop_call(struct script *script, double id)
{
    JSValueRef argument = JSValueMakeNumber(script->context, id);

    script_call(script, script->drop_call, 1, &argument, NULL);
}

bool script_take_promise(struct script *script, struct script_invocation *call, JSValueRef promise)
{
    JSValueRef arguments[2] = {JSValueMakeNumber(script->context, (double)call->function), promise};
    JSValueRef exception = NULL, number;
    struct script_promise_settled own;
    double id;

    script_enter(script, call->turn);
    number = script_call(script, script->track, 2, arguments, &exception);
    script_leave(script);
    id = number ? JSValueToNumber(script->context, number, NULL) : 0;
    if (!number || script->timed_out) {
        script_describe(script, exception, script_blamed(script, call->function), &call->error);
        script_drop_call(script, id);
        return false;
    }
    script_promise_settle_others(script, id, &own);
    call->pending = !own.call;
    return call->pending ||
           script_promise_settled_output(script, &own, call->out, &call->has_output, &call->error);
}

/* ------------------------------------------------------------------ answers */

void script_answer(struct script *script)
{
    JSContextRef context = script->context;
    struct glob_answer *answer = script->services.glob ? glob_take(script->services.glob) : NULL;

    while (answer) {
        struct glob_answer *next = answer->next;
        JSValueRef arguments[3] = {JSValueMakeNumber(context, (double)answer->token),
            answer->error ? script_text_value(context, answer->error)
                          : JSValueMakeUndefined(context),
            script_answer_value(script, answer)};

        script_promise_resume_call(script, script->answer, 3, arguments);
        script_settle(script);
        glob_answer_free(answer);
        answer = next;
    }
}

void script_await(struct script *script, int64_t nanoseconds)
{
    if (script->turns->resumptions < 1)
        glob_await(script->services.glob, nanoseconds);
    script_answer(script);
    script_expire(script);
}

void script_expire(struct script *script)
{
    JSValueRef more;

    do {
        more = NULL;
        if (script->turns->waiting > 0 || script->turns->tracked > 0)
            more = script_promise_resume_call(script, script->expire, 0, NULL);
        script_settle(script);
    } while (more && JSValueToBoolean(script->context, more));
}

void script_give_up(struct script *script)
{
    if (script_progresses(script))
        return;
    if (script->turns->tracked > 0)
        script_call(script, script->give_up, 0, NULL, NULL);
    script_settle(script);
}

bool script_progresses(const struct script *script)
{
    return script->turns->waiting > 0 || script->turns->resumptions > 0;
}

bool script_waits(const struct script *script)
{
    return script_progresses(script) || script->turns->tracked > 0;
}

/* ------------------------------------------------------------------ unhandled rejections */

bool script_take_rejected(
    struct script *script, struct location location, struct script_error *error)
{
    struct script_promise_settled settled;
    bool found = script_promise_take_settled(script, 0, &settled);

    if (found)
        script_describe(
            script, script_property(script->context, settled.call, "value"), location, error);
    return found;
}
