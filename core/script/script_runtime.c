/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Set up a context: the functions that C provides, the facts of the job, and the files of runtime/.
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/script/runtime.h"
#include "core/script/script_internal.h"

/* Exported by the library but not in a public header: sets the handler of unhandled rejections. */
extern void JSGlobalContextSetUnhandledRejectionCallback(
    JSGlobalContextRef context, JSObjectRef function, JSValueRef *exception);

static void script_runtime_set_number(
    JSContextRef context, JSObjectRef object, const char *name, double value)
{
    script_set(context, object, name, JSValueMakeNumber(context, value));
}

static JSObjectRef script_runtime_make_facts(struct script *script)
{
    JSContextRef context = script->context;
    const struct script_facts *given = &script->facts;
    JSObjectRef facts = JSObjectMake(context, NULL, NULL);
    JSObjectRef functions = JSObjectMakeArray(context, 0, NULL, NULL);

    script_set(context, facts, "job", script_text_value(context, given->job));
    script_set(context, facts, "settings",
        script_text_value(context, given->settings ? given->settings : "{}"));
    script_set(context, facts, "folder", script_text_value(context, script->folder));
    script_set(context, facts, "ownModules", script_text_value(context, script->own_modules));
    script_set(context, facts, "functions", functions);
    for (unsigned i = 0; i < SCRIPT_FUNCTIONS; i++)
        JSObjectSetPropertyAtIndex(
            context, functions, i, script_text_value(context, script_function_names[i]), NULL);
    script_runtime_set_number(
        context, facts, "waitLimit", (double)given->wait_limit / (double)SECOND);
    script_runtime_set_number(context, facts, "clients", (double)given->clients);
    script_runtime_set_number(context, facts, "repeat", (double)given->iterations);
    script_runtime_set_number(context, facts, "interval", (double)given->interval / (double)SECOND);
    script_runtime_set_number(
        context, facts, "seed", (double)(uint32_t)(given->seed ^ given->seed >> 32));
    return facts;
}

#define PLACE(member) (offsetof(struct script_turns, member) / sizeof(double))

/* Numbers that C and the runtime refer to by name. */
static JSObjectRef script_runtime_make_names(struct script *script)
{
    static const struct {
        const char *name;
        unsigned long number;
    } names[] = {{"PUBLISH", COMMAND_PUBLISH}, {"RETURN", COMMAND_RETURN},
        {"DISCONNECT", COMMAND_DISCONNECT}, {"DROP", COMMAND_DROP},
        {"RECONNECT", COMMAND_RECONNECT}, {"ASSERT", COMMAND_ASSERT}, {"FINISH", COMMAND_FINISH},
        {"MESSAGE", SCRIPT_MESSAGE}, {"RESPONSE", SCRIPT_RESPONSE}, {"NOTHING", NOTHING},
        {"A_STRING", A_STRING}, {"SOMETHING_ELSE", SOMETHING_ELSE}, {"THROWN", THROWN},
        {"PENDING", PENDING}, {"SLOT", PLACE(slot)}, {"CLIENT", PLACE(client)},
        {"ITERATION", PLACE(iteration)}, {"AT", PLACE(at)}, {"WAITING", PLACE(waiting)},
        {"TRACKED", PLACE(tracked)}, {"SETTLED", PLACE(settled)}, {"LISTENERS", PLACE(listeners)},
        {"RESUMPTIONS", PLACE(resumptions)}, {"BATCH", PLACE(batch)},
        {"ENTRY", PLACE(batch[1]) - PLACE(batch[0])}};
    JSObjectRef object = JSObjectMake(script->context, NULL, NULL);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        script_runtime_set_number(script->context, object, names[i].name, (double)names[i].number);
    return object;
}

/* The memory belongs to the script, which outlives the array. */
static void script_runtime_keep_turns(void *bytes, void *context)
{
    (void)bytes, (void)context;
}

/* ------------------------------------------------------------------ the runtime */

static JSObjectRef script_runtime_make_native(struct script *script)
{
    JSContextRef context = script->context;
    JSObjectRef native = JSObjectMake(context, NULL, NULL);

    script_add_function(script, native, "console", script_native_console);
    script_add_function(script, native, "now", script_native_now);
    script_add_function(script, native, "decode", script_native_decode);
    script_add_function(script, native, "act", script_native_command);
    script_add_glob(script, native);
    script_add_crypto(script, native);
    script_add_modules(script, native);
    script_set(context, native, "facts", script_runtime_make_facts(script));
    script_set(context, native, "names", script_runtime_make_names(script));
    script_set(context, native, "turns",
        JSObjectMakeTypedArrayWithBytesNoCopy(context, kJSTypedArrayTypeFloat64Array, script->turns,
            sizeof(*script->turns), script_runtime_keep_turns, NULL, NULL));
    return native;
}

static bool script_runtime_run_file(
    struct script *script, const struct runtime_file *file, JSObjectRef native)
{
    JSContextRef context = script->context;
    JSStringRef source = script_string(file->source), name = script_string(file->name);
    JSValueRef arguments[2] = {native, script->runtime}, exception = NULL;
    JSValueRef function = JSEvaluateScript(context, source, NULL, name, 1, &exception);

    JSStringRelease(source);
    JSStringRelease(name);
    if (function && JSValueIsObject(context, function))
        function = JSObjectCallAsFunction(
            context, JSValueToObject(context, function, NULL), NULL, 2, arguments, &exception);
    if (exception)
        log_write(
            IOTIFY_LOG_ERROR, file->name, "%s", script_text(context, &script->arena, exception));
    return function && !exception;
}

bool script_run_runtime(struct script *script)
{
    const struct {
        const char *name;
        JSObjectRef *function;
    } shared[] = {{"states", &script->states}, {"results", &script->results},
        {"addState", &script->add_state}, {"dropRows", &script->drop_rows},
        {"runMessages", &script->run_messages}, {"receive", &script->receive},
        {"track", &script->track}, {"takeSettled", &script->take_settled},
        {"dropCall", &script->drop_call}, {"giveUp", &script->give_up}, {"answer", &script->answer},
        {"expire", &script->expire}, {"showState", &script->show_state},
        {"takeMetrics", &script->take_metrics}, {"readRows", &script->read_rows},
        {"makeStages", &script->make_stages}, {"loadScript", &script->load_script},
        {"setClientId", &script->set_client_id}, {"addHelpers", &script->add_helpers},
        {"showRow", &script->show_row}, {"deliver", &script->deliver},
        {"cutCalls", &script->cut_calls}, {"resume", &script->resume},
        {"recover", &script->recover}, {"rejected", &script->rejected}, {"bind", &script->bind}};
    JSContextRef context = script->context;
    JSObjectRef native = script_runtime_make_native(script);

    script->runtime = JSObjectMake(context, NULL, NULL);
    JSValueProtect(context, script->runtime);
    for (const struct runtime_file *file = runtime_files; file->name; file++)
        if (!script_runtime_run_file(script, file, native))
            return false;
    for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
        JSValueRef value = script_property(context, script->runtime, shared[i].name);

        if (!value || !JSValueIsObject(context, value))
            return false;
        *shared[i].function = JSValueToObject(context, value, NULL);
    }
    JSGlobalContextSetUnhandledRejectionCallback(script->context, script->rejected, NULL);
    return true;
}
