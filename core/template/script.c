/* A machine: its life, its states, and calls of the template's functions. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/template/script_machine.h"

/* The time limit is a sum of so many pieces; a call may take one of them longer than allowed. */
#define LIMIT_PIECES 10

/* Exported by the library and in no public header: the watchdog that ends a script. */
extern void JSContextGroupSetExecutionTimeLimit(JSContextGroupRef group, double limit,
    bool (*callback)(JSContextRef context, void *argument), void *argument);
/* The engine's collector stops threads by a signal: not by SIGUSR1, which others use. */
extern bool JSConfigureSignalForGC(int signal);

/* ------------------------------------------------------------------ life */

static bool on_time_limit(JSContextRef context, void *argument);

static void set_limit(struct script *script)
{
    JSContextGroupSetExecutionTimeLimit(script->group,
        (double)script->facts.time_limit / (double)SECOND / LIMIT_PIECES, on_time_limit, script);
}

/* Called by the engine after each piece of the limit; true ends what runs. */
static bool on_time_limit(JSContextRef context, void *argument)
{
    struct script *script = argument;

    (void)context;
    if (script->turns->at > script->limit_at || script->turns->at < script->limit_at) {
        script->limit_at = script->turns->at;
        script->limit_count = 0;
        /* Another call of the batch is at work: it is this one that may be stuck. */
        if (script->facts.busy_since)
            atomic_store(script->facts.busy_since, clock_now());
    }
    script->overgrown = script_grows(script);
    if (++script->limit_count < LIMIT_PIECES && !script->overgrown) {
        /* The engine does not begin the next piece by itself. */
        set_limit(script);
        return false;
    }
    script->timed_out = true;
    return true;
}

struct script *script_new(const struct script_services *services, const struct script_facts *facts)
{
    struct script *script = memory_new(1, sizeof(*script));

    JSConfigureSignalForGC(SIGRTMIN + 3);
    script->services = *services;
    script->facts = *facts;
    script->turns = memory_new(1, sizeof(*script->turns));
    script->turns->slot = script->turns->client = -1;
    script_find_folders(script);
    script->group = JSContextGroupCreate();
    script->context = JSGlobalContextCreateInGroup(script->group, NULL);
    if (!script_run_runtime(script)) {
        script_free(script);
        return NULL;
    }
    if (facts->time_limit > 0)
        set_limit(script);
    return script;
}

void script_free(struct script *script)
{
    if (!script)
        return;
    JSGlobalContextRelease(script->context);
    JSContextGroupRelease(script->group);
    arena_clear(&script->arena);
    arena_wipe(&script->error_arena);
    if (script->joined.text)
        explicit_bzero(script->joined.text, script->joined.capacity);
    free(script->joined.text);
    free(script->turns);
    free(script);
}

/* ------------------------------------------------------------------ states */

static JSValueRef call_runtime(struct script *script, JSObjectRef function, size_t count,
    const JSValueRef *arguments, JSValueRef *exception)
{
    return JSObjectCallAsFunction(script->context, function, NULL, count, arguments, exception);
}

int64_t script_add_state(struct script *script, int64_t client)
{
    JSValueRef argument = JSValueMakeNumber(script->context, (double)client);

    call_runtime(script, script->add_state, 1, &argument, NULL);
    return script->state_count++;
}

void script_states_made(struct script *script)
{
    call_runtime(script, script->drop_rows, 0, NULL, NULL);
}

JSValueRef script_state(struct script *script, int64_t slot)
{
    if (slot < 0)
        return JSValueMakeUndefined(script->context);
    return JSObjectGetPropertyAtIndex(script->context, script->states, (unsigned)slot, NULL);
}

/* ------------------------------------------------------------------ entering and leaving */

bool script_has(const struct script *script, enum script_function function)
{
    return script->bodies[function].function != NULL;
}

/*
 * While a call is under way others can see since when: a chain of promises without end is cut by
 * no limit of the engine, because each link of it counts as a call of its own.
 */
void script_enter(struct script *script, struct script_turn turn)
{
    script->turns->slot = (double)turn.slot;
    script->turns->client = (double)turn.client;
    script->turns->iteration = (double)turn.iteration;
    script->timed_out = script->overgrown = false;
    script->limit_count = 0;
    script->limit_at = script->turns->at;
    arena_wipe(&script->error_arena);
    if (script->facts.busy_since)
        atomic_store(script->facts.busy_since, clock_now());
}

void script_leave(struct script *script)
{
    JSValueRef exception = NULL;

    /*
     * What ended a promise's function is still pending, and a call that finds it there may end the
     * process. Any conversion takes it away.
     */
    if (script->timed_out)
        JSValueToNumber(script->context, JSValueMakeNumber(script->context, 0), &exception);
    if (script->facts.busy_since)
        atomic_store(script->facts.busy_since, 0);
}

/* ------------------------------------------------------------------ outputs */

/* What message() returned, as bytes. */
static bool take_output(struct script *script, JSValueRef value, struct iotify_buffer *out,
    bool *has_output, struct script_error *error)
{
    struct place place = script->bodies[SCRIPT_MESSAGE].place;
    JSContextRef context = script->context;
    JSValueRef exception = NULL;
    JSStringRef string;

    if (JSValueIsString(context, value)) {
        string = JSValueToStringCopy(context, value, &exception);
        if (!string) {
            script_describe(script, exception, place, error);
            return false;
        }
        script_append_string(string, out);
        JSStringRelease(string);
    } else if (JSValueIsUndefined(context, value) || JSValueIsNull(context, value)) {
        return true;
    } else if (JSValueGetTypedArrayType(context, value, NULL) == kJSTypedArrayTypeUint8Array) {
        struct iotify_bytes bytes = script_bytes(context, value);

        iotify_buffer_append(out, bytes.data, bytes.size);
    } else {
        *error = (struct script_error){place,
            "message must return a string, a Buffer or a list of messages; return "
            "JSON.stringify(…) of an object",
            "", ""};
        return false;
    }
    *has_output = true;
    return script_fits(out, place, "the message", &script->error_arena, error);
}

static double number_of(struct script *script, JSObjectRef object, const char *name)
{
    return JSValueToNumber(script->context, script_property(script->context, object, name), NULL);
}

/* A call whose promise has come to its end, as the runtime keeps it. */
struct settled {
    JSObjectRef call;
    double id;
    enum script_function function;
    struct script_turn turn;
};

static bool take_settled(struct script *script, struct settled *settled)
{
    JSValueRef value;

    if (script->turns->settled < 1)
        return false;
    value = call_runtime(script, script->take_settled, 0, NULL, NULL);
    if (!value || !JSValueIsObject(script->context, value)) {
        script->turns->settled = 0;
        return false;
    }
    settled->call = JSValueToObject(script->context, value, NULL);
    settled->id = number_of(script, settled->call, "id");
    settled->function = (enum script_function)number_of(script, settled->call, "which");
    settled->turn = (struct script_turn){(int64_t)number_of(script, settled->call, "slot"),
        (int64_t)number_of(script, settled->call, "client"),
        (int64_t)number_of(script, settled->call, "iteration")};
    return true;
}

/* What a settled call came to; what message() made goes to `out`. */
static bool settled_output(struct script *script, const struct settled *settled,
    struct iotify_buffer *out, bool *has_output, struct script_error *error)
{
    JSValueRef value = script_property(script->context, settled->call, "value");

    if (JSValueToBoolean(
            script->context, script_property(script->context, settled->call, "failed"))) {
        script_describe(script, value, script->bodies[settled->function].place, error);
        return false;
    }
    return settled->function != SCRIPT_MESSAGE || !out ||
           take_output(script, value, out, has_output, error);
}

static void tell_settled(struct script *script, const struct settled *settled)
{
    struct script_output output = {0};
    struct script_error error;
    struct iotify_buffer bytes;

    if (!script->services.settled)
        return;
    iotify_buffer_init(&bytes, OUTPUT_MAX);
    if (!settled_output(script, settled, &bytes, &output.has_output, &error))
        output.error = &error;
    output.bytes = (struct iotify_bytes){iotify_buffer_text(&bytes), bytes.size};
    script->services.settled(script->services.context, settled->function, &settled->turn, &output);
    iotify_buffer_wipe(&bytes);
}

/*
 * After each entry: microtasks have run, and what they settled is told. Calls that wait for a
 * promise while nothing is under way will wait for ever: they end here.
 */
static void settle(struct script *script)
{
    struct settled settled;
    double before;

    do {
        before = script->turns->tracked;
        if (before > 0 && script->turns->waiting < 1)
            call_runtime(script, script->give_up, 0, NULL, NULL);
        while (take_settled(script, &settled))
            tell_settled(script, &settled);
        /* A script that has broken what the runtime is built on must not hold the loop up. */
    } while (script->turns->tracked > 0 && script->turns->tracked < before &&
             script->turns->waiting < 1);
}

bool script_waits(const struct script *script)
{
    return script->turns->waiting > 0 || script->turns->tracked > 0;
}

/* ------------------------------------------------------------------ one call */

bool script_is_promise(struct script *script, JSValueRef value)
{
    JSValueRef then;

    if (!JSValueIsObject(script->context, value))
        return false;
    then = script_property(script->context, JSValueToObject(script->context, value, NULL), "then");
    return then && JSValueIsObject(script->context, then);
}

static void drop_call(struct script *script, double id)
{
    JSValueRef argument = JSValueMakeNumber(script->context, id);

    call_runtime(script, script->drop_call, 1, &argument, NULL);
}

/* The promise that a call returned: has it come to its end already? Then the call is over. */
static bool take_promise(struct script *script, struct script_invocation *call, JSValueRef promise)
{
    JSValueRef arguments[2] = {JSValueMakeNumber(script->context, (double)call->function), promise};
    JSValueRef exception = NULL, number;
    struct settled settled, own = {0};
    double id;

    script_enter(script, call->turn);
    number = call_runtime(script, script->track, 2, arguments, &exception);
    script_leave(script);
    id = number ? JSValueToNumber(script->context, number, NULL) : 0;
    if (script->timed_out) {
        script_describe(script, exception, script->bodies[call->function].place, &call->error);
        drop_call(script, id);
        return false;
    }
    if (script->turns->waiting < 1)
        call_runtime(script, script->give_up, 0, NULL, NULL);
    while (take_settled(script, &settled)) {
        if (settled.id < id || settled.id > id)
            tell_settled(script, &settled);
        else
            own = settled;
    }
    call->pending = own.call == NULL;
    return call->pending ||
           settled_output(script, &own, call->out, &call->has_output, &call->error);
}

static JSValueRef call_function(
    struct script *script, struct script_invocation *call, JSValueRef *exception)
{
    const struct body *body = &script->bodies[call->function];
    JSValueRef arguments[3];

    if (call->function != SCRIPT_RESPONSE) {
        arguments[0] = script_state(script, call->turn.slot);
        script_enter(script, call->turn);
        return JSObjectCallAsFunction(
            script->context, body->function, NULL, 1, arguments, exception);
    }
    arguments[0] = script_text_value(script->context, call->topic);
    arguments[1] = script_new_bytes(script->context, call->payload.data, call->payload.size);
    arguments[2] =
        body->function ? (JSValueRef)body->function : JSValueMakeUndefined(script->context);
    script_enter(script, call->turn);
    return call_runtime(script, script->receive, 3, arguments, exception);
}

bool script_invoke(struct script *script, struct script_invocation *call)
{
    JSContextRef context = script->context;
    const struct body *body = &script->bodies[call->function];
    JSValueRef exception = NULL, value;
    bool good = true;

    call->has_output = call->pending = false;
    if (!body->function && (call->function != SCRIPT_RESPONSE || script->turns->listeners < 1))
        return true;
    value = call_function(script, call, &exception);
    script_leave(script);
    /* The limit may also have ended a promise's function, after the call itself was done. */
    if (!value || script->timed_out) {
        script_describe(script, exception, body->place, &call->error);
        return false;
    }
    if (script_is_promise(script, value))
        return take_promise(script, call, value);
    if (call->function == SCRIPT_MESSAGE && JSValueIsArray(context, value)) {
        value = call_runtime(script, script->deliver, 1, &value, &exception);
        if (!value) {
            script_describe(script, exception, body->place, &call->error);
            return false;
        }
    }
    if (script->turns->settled > 0 || script->turns->tracked > 0)
        settle(script);
    if (call->out && call->function == SCRIPT_MESSAGE)
        good = take_output(script, value, call->out, &call->has_output, &call->error);
    return good;
}

/* ------------------------------------------------------------------ answers */

/* End the calls of a slot that wait for a promise; false: there are none. */
static bool cut_call(struct script *script, int64_t slot, const char *text)
{
    JSValueRef arguments[2] = {
        JSValueMakeNumber(script->context, (double)slot), script_text_value(script->context, text)};
    JSValueRef cut = call_runtime(script, script->cut_calls, 2, arguments, NULL);

    return cut && JSValueToBoolean(script->context, cut);
}

/* One answer is one entry, so that what follows from it runs in the turn of its asker. */
static void tell_answer(struct script *script, const struct glob_answer *answer)
{
    JSContextRef context = script->context;
    JSValueRef arguments[3] = {JSValueMakeNumber(context, (double)answer->token),
        answer->error ? script_text_value(context, answer->error) : JSValueMakeUndefined(context),
        script_answer_value(script, answer)};
    JSValueRef exception = NULL, value;

    script_enter(script, (struct script_turn){-1, -1, -1});
    value = call_runtime(script, script->answer, 3, arguments, &exception);
    script_leave(script);
    if ((!value || script->timed_out) && script->services.settled) {
        /* A callback failed. */
        struct script_turn turn = {(int64_t)script->turns->slot, (int64_t)script->turns->client,
            (int64_t)script->turns->iteration};
        struct script_output output = {0};
        struct script_error error;

        script_describe(script, exception, script->bodies[SCRIPT_MESSAGE].place, &error);
        output.error = &error;
        /* A function that was cut short behind an await has a call that waits for it. */
        if (!cut_call(script, turn.slot, error.text))
            script->services.settled(script->services.context, SCRIPT_RESPONSE, &turn, &output);
    }
    settle(script);
}

void script_answer(struct script *script)
{
    struct glob_answer *answer = script->services.glob ? glob_take(script->services.glob) : NULL;

    while (answer) {
        struct glob_answer *next = answer->next;

        tell_answer(script, answer);
        glob_answer_free(answer);
        answer = next;
    }
}

void script_expire(struct script *script)
{
    bool more = script->turns->waiting > 0;

    while (more) {
        JSValueRef value;

        script_enter(script, (struct script_turn){-1, -1, -1});
        value = call_runtime(script, script->expire, 0, NULL, NULL);
        script_leave(script);
        more = value && JSValueToBoolean(script->context, value);
        settle(script);
    }
}

/* ------------------------------------------------------------------ batches */

/* Longer ones are converted one by one. */
#define JOINED_MAX (1u << 20)

/* The texts of all entries that ran, where they can be told apart afterwards. */
static void take_joined(struct script *script, JSValueRef value)
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
            /* Not realloc(): what it leaves behind would still hold what was sent. */
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

/* Run entries from `from` on; returns how many are done. One that is cut short counts as done. */
static size_t run_entries(struct script *script, size_t from, size_t count, JSValueRef *exception)
{
    JSValueRef arguments[2] = {
        script->bodies[SCRIPT_MESSAGE].function, JSValueMakeNumber(script->context, (double)count)};
    JSValueRef value;

    script->turns->at = (double)from;
    script_enter(script, (struct script_turn){-1, -1, -1});
    *exception = NULL;
    value = call_runtime(script, script->run_messages, 2, arguments, exception);
    script_leave(script);
    take_joined(script, value);
    return (size_t)script->turns->at;
}

/* The output of an entry that was a text; false: it has to be converted by itself. */
static bool from_joined(struct script *script, size_t index, struct script_output *output)
{
    size_t length = (size_t)script->turns->batch[index].iteration_or_length;

    if (!script->joined.plain)
        return false;
    output->bytes = (struct iotify_bytes){script->joined.text + script->joined.at, length};
    output->has_output = true;
    script->joined.at += length;
    return true;
}

static void convert(struct script *script, size_t index, struct script_output *output,
    struct script_error *error, struct iotify_buffer *out)
{
    struct place place = script->bodies[SCRIPT_MESSAGE].place;
    JSValueRef value =
        JSObjectGetPropertyAtIndex(script->context, script->results, (unsigned)index, NULL);

    iotify_buffer_reset(out);
    if ((enum outcome)script->turns->batch[index].slot_or_outcome == THROWN) {
        arena_wipe(&script->error_arena);
        script_describe(script, value, place, error);
        output->error = error;
    } else if (!take_output(script, value, out, &output->has_output, error)) {
        output->error = error;
    }
    output->bytes = (struct iotify_bytes){out->data, out->size};
}

static void tell_entry(
    struct script *script, size_t index, int64_t nanoseconds, struct script_batch *batch)
{
    enum outcome outcome = (enum outcome)script->turns->batch[index].slot_or_outcome;
    struct script_output output = {
        .index = index, .nanoseconds = nanoseconds, .pending = outcome == PENDING};
    struct script_error error;

    if (outcome == SOMETHING_ELSE || outcome == THROWN ||
        (outcome == A_STRING && !from_joined(script, index, &output)))
        convert(script, index, &output, &error, batch->out);
    batch->done(batch->argument, &output);
}

/* The call that the time limit cut. */
static void tell_cut(
    struct script *script, size_t index, JSValueRef exception, struct script_batch *batch)
{
    struct script_error error;
    struct script_output output = {.index = index, .error = &error};

    script_describe(script, exception, script->bodies[SCRIPT_MESSAGE].place, &error);
    batch->done(batch->argument, &output);
}

static bool is_pending(const struct script *script, size_t index)
{
    return (enum outcome)script->turns->batch[index].slot_or_outcome == PENDING;
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
        size_t end = run_entries(script, at, count, &exception);
        int64_t each = (clock_now() - began) / (int64_t)(end > at ? end - at : 1);
        bool cut = script->timed_out || exception;
        /* The limit may also have ended a promise's function, behind the last call. */
        bool cut_promise = cut && end > at && is_pending(script, end - 1);
        size_t good = cut && (cut_promise || end == count) ? end - 1 : end;

        for (; at < good; at++)
            tell_entry(script, at, each, batch);
        if (cut_promise)
            drop_call(script, script->turns->batch[at].iteration_or_length);
        if (cut)
            tell_cut(script, at++, exception, batch);
        if (script->turns->settled > 0 || script->turns->tracked > 0)
            settle(script);
    }
    script->turns->at = 0;
}

/* ------------------------------------------------------------------ what a machine holds */

static bool take_text(struct script *script, JSObjectRef function, size_t count,
    const JSValueRef *arguments, struct iotify_buffer *out)
{
    JSValueRef exception = NULL;
    JSValueRef value = call_runtime(script, function, count, arguments, &exception);
    JSStringRef string;

    if (!value || !JSValueIsString(script->context, value))
        return false;
    string = JSValueToStringCopy(script->context, value, NULL);
    if (!string)
        return false;
    script_append_string(string, out);
    JSStringRelease(string);
    return !out->failed;
}

bool script_show_state(struct script *script, int64_t slot, struct iotify_buffer *out)
{
    JSValueRef argument = JSValueMakeNumber(script->context, (double)slot);

    return take_text(script, script->show_state, 1, &argument, out);
}

bool script_show_row(struct script *script, int64_t client, struct iotify_buffer *out)
{
    JSValueRef argument = JSValueMakeNumber(script->context, (double)client);

    return script->rows > 0 && take_text(script, script->show_row, 1, &argument, out);
}

bool script_take_metrics(struct script *script, struct iotify_buffer *out)
{
    return take_text(script, script->take_metrics, 0, NULL, out);
}
