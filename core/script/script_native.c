/* What scripts reach outside their machine, and the strings on the way. */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/script/runtime.h"
#include "core/script/script_context.h"

/* Exported by the library and in no public header: who is told of promises that nobody awaits. */
extern void JSGlobalContextSetUnhandledRejectionCallback(
    JSGlobalContextRef context, JSObjectRef function, JSValueRef *exception);

/* ------------------------------------------------------------------ strings */

JSStringRef script_string(const char *text)
{
    return JSStringCreateWithUTF8CString(text);
}

/* One character of UTF-16 at `text`; half of a pair is U+FFFD. How many units it takes. */
static size_t take_unit(const JSChar *text, size_t left, uint32_t *code)
{
    *code = text[0];
    if (text[0] < 0xd800 || text[0] > 0xdfff)
        return 1;
    if (text[0] < 0xdc00 && left > 1 && text[1] >= 0xdc00 && text[1] <= 0xdfff) {
        *code = 0x10000 + ((uint32_t)(text[0] - 0xd800) << 10 | (uint32_t)(text[1] - 0xdc00));
        return 2;
    }
    *code = 0xfffd;
    return 1;
}

static size_t put_utf8(uint32_t code, char *out)
{
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = length; i > 1; i--, code >>= 6)
        out[i - 1] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(marks[length] | code);
    return length;
}

/* The engine's own conversion ends at half of a pair. */
void script_append_string(JSStringRef string, struct iotify_buffer *out)
{
    size_t length = JSStringGetLength(string), used = 0;
    const JSChar *units = JSStringGetCharactersPtr(string);
    char *text = memory_new(length * 3 + 1, 1);

    for (size_t at = 0; at < length;) {
        uint32_t code;

        at += take_unit(units + at, length - at, &code);
        used += put_utf8(code, text + used);
    }
    iotify_buffer_append(out, text, used);
    explicit_bzero(text, used);
    free(text);
}

JSValueRef script_text_value(JSContextRef context, const char *text)
{
    JSStringRef string = script_string(text);
    JSValueRef value = JSValueMakeString(context, string);

    JSStringRelease(string);
    return value;
}

const char *script_try_text(JSContextRef context, struct arena *arena, JSValueRef value)
{
    JSStringRef string = JSValueToStringCopy(context, value, NULL);
    struct iotify_buffer out;
    const char *text;

    if (!string)
        return NULL;
    iotify_buffer_init(&out, OUTPUT_MAX);
    script_append_string(string, &out);
    JSStringRelease(string);
    text = out.failed ? NULL : arena_copy(arena, out.data, out.size);
    iotify_buffer_wipe(&out);
    return text;
}

const char *script_text(JSContextRef context, struct arena *arena, JSValueRef value)
{
    const char *text = script_try_text(context, arena, value);

    return text ? text : "";
}

/* ------------------------------------------------------------------ objects */

JSValueRef script_property(JSContextRef context, JSObjectRef object, const char *name)
{
    JSStringRef string = script_string(name);
    JSValueRef value = JSObjectGetProperty(context, object, string, NULL);

    JSStringRelease(string);
    return value;
}

void script_set(JSContextRef context, JSObjectRef object, const char *name, JSValueRef value)
{
    JSStringRef string = script_string(name);

    JSObjectSetProperty(context, object, string, value, kJSPropertyAttributeNone, NULL);
    JSStringRelease(string);
}

struct script *script_of(JSObjectRef function)
{
    return JSObjectGetPrivate(function);
}

JSValueRef script_throw(JSContextRef context, JSValueRef *exception, const char *text)
{
    JSValueRef argument = script_text_value(context, text);

    *exception = JSObjectMakeError(context, 1, &argument, NULL);
    return JSValueMakeUndefined(context);
}

struct iotify_bytes script_bytes(JSContextRef context, JSValueRef value)
{
    JSObjectRef array;
    const char *bytes;

    if (JSValueGetTypedArrayType(context, value, NULL) != kJSTypedArrayTypeUint8Array)
        return (struct iotify_bytes){NULL, 0};
    array = JSValueToObject(context, value, NULL);
    bytes = JSObjectGetTypedArrayBytesPtr(context, array, NULL);
    /* A part of another array begins inside that one's bytes. */
    return (struct iotify_bytes){
        bytes ? bytes + JSObjectGetTypedArrayByteOffset(context, array, NULL) : "",
        JSObjectGetTypedArrayByteLength(context, array, NULL)};
}

JSObjectRef script_new_bytes(JSContextRef context, const void *data, size_t size)
{
    JSObjectRef bytes = JSObjectMakeTypedArray(context, kJSTypedArrayTypeUint8Array, size, NULL);

    if (size)
        memcpy(JSObjectGetTypedArrayBytesPtr(context, bytes, NULL), data, size);
    return bytes;
}

void script_add_function(struct script *script, JSObjectRef object, const char *name,
    JSObjectCallAsFunctionCallback call)
{
    /*
     * Each is an object that knows its machine. A global object that did would not do: the engine
     * looks names up in such a one anew each time.
     */
    const JSClassDefinition definition = {.className = name, .callAsFunction = call};
    JSClassRef class = JSClassCreate(&definition);

    script_set(script->context, object, name, JSObjectMake(script->context, class, script));
    JSClassRelease(class);
}

/* ------------------------------------------------------------------ what C provides */

struct script_turn script_present_turn(const struct script *script)
{
    return (struct script_turn){(int64_t)script->turns->slot, (int64_t)script->turns->client,
        (int64_t)script->turns->iteration};
}

void script_redact(char *text)
{
    static const char word[] = "[redacted]";
    char *at = text;

    while ((at = strstr(at, "-----BEGIN "))) {
        char *label = strstr(at, "PRIVATE KEY-----"), *line = strpbrk(at, "\r\n");
        char *end = label && (!line || label < line) ? strstr(label, "-----END ") : NULL;

        if (!end) {
            if (label && (!line || label < line))
                memcpy(at, word, sizeof(word));
            at += 1;
            continue;
        }
        end = strstr(end + strlen("-----END "), "-----");
        end = end ? end + strlen("-----") : at + strlen(at);
        memmove(at + strlen(word), end, strlen(end) + 1);
        memcpy(at, word, strlen(word));
        at += strlen(word);
    }
}

static JSValueRef native_console(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(function);
    struct script_turn turn = script_present_turn(script);
    struct arena arena = {0};

    (void)self, (void)exception;
    if (count == 2 && script->services.console) {
        char *text = arena_string(&arena, script_text(context, &arena, arguments[1]));

        script_redact(text);
        script->services.console(script->services.context,
            (enum iotify_level)JSValueToNumber(context, arguments[0], NULL), &turn, text);
    }
    arena_wipe(&arena);
    return JSValueMakeUndefined(context);
}

static JSValueRef native_now(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    (void)function, (void)self, (void)count, (void)arguments, (void)exception;
    return JSValueMakeNumber(context, (double)clock_now() / (double)SECOND);
}

/*
 * One character of UTF-8 at `bytes`, of which there are `size`: how many bytes it takes. What is
 * none is U+FFFD, for as many bytes as could have begun one, as browsers have it.
 */
static size_t decode_one(const unsigned char *bytes, size_t size, uint32_t *code)
{
    unsigned char first = bytes[0], low = 0x80, high = 0xbf;
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    size_t at = 1;

    *code = first;
    if (length == 1)
        return 1;
    low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : low;
    high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : high;
    *code = first & (0x7fu >> length);
    if (length == 0 || first > 0xf4)
        length = 0;
    for (; at < length && at < size && bytes[at] >= low && bytes[at] <= high; at++) {
        *code = *code << 6 | (bytes[at] & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    if (at != length)
        *code = 0xfffd;
    return at;
}

/* (bytes): their text. */
static JSValueRef native_decode(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct iotify_bytes bytes = script_bytes(context, arguments[0]);
    JSChar *text = memory_new(bytes.size + 1, sizeof(*text));
    size_t length = 0;
    JSStringRef string;
    JSValueRef value;

    (void)function, (void)self, (void)count, (void)exception;
    for (size_t at = 0; at < bytes.size;) {
        uint32_t code;

        at += decode_one((const unsigned char *)bytes.data + at, bytes.size - at, &code);
        if (code >= 0x10000) {
            text[length++] = (JSChar)(0xd7c0 + (code >> 10));
            text[length++] = (JSChar)(0xdc00 | (code & 0x3ff));
        } else {
            text[length++] = (JSChar)code;
        }
    }
    string = JSStringCreateWithCharacters(text, length);
    value = JSValueMakeString(context, string);
    JSStringRelease(string);
    explicit_bzero(text, length * sizeof(*text));
    free(text);
    return value;
}

/* A text as bytes, NULs in it too. */
static struct iotify_bytes text_bytes(
    JSContextRef context, JSValueRef value, struct iotify_buffer *out)
{
    JSStringRef string = JSValueToStringCopy(context, value, NULL);

    if (string) {
        script_append_string(string, out);
        JSStringRelease(string);
    }
    return (struct iotify_bytes){iotify_buffer_text(out), out->size};
}

/* (kind, topic, payload, qos, retain) or (kind, text, stack); gives why not. */
static JSValueRef native_act(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(function);
    struct script_turn turn = script_present_turn(script);
    struct script_act act = {.qos = -1, .retain = -1};
    const char *refused = "there is no device here to do that";
    struct iotify_buffer text;
    struct arena arena = {0};
    JSValueRef answer = JSValueMakeUndefined(context);

    (void)self, (void)exception;
    iotify_buffer_init(&text, OUTPUT_MAX);
    act.kind = (enum script_act_kind)JSValueToNumber(context, arguments[0], NULL);
    if (act.kind == ACT_PUBLISH && count == 5) {
        if (JSValueIsString(context, arguments[1]))
            act.topic = script_text(context, &arena, arguments[1]);
        act.payload = script_bytes(context, arguments[2]);
        if (!act.payload.data)
            act.payload = text_bytes(context, arguments[2], &text);
        act.qos = (int)JSValueToNumber(context, arguments[3], NULL);
        act.retain = (int)JSValueToNumber(context, arguments[4], NULL);
    }
    if (act.kind == ACT_ASSERT && count == 3) {
        act.text = script_text(context, &arena, arguments[1]);
        act.place = script_blamed(script, SCRIPT_MESSAGE);
        script_find_place(script, script_text(context, &arena, arguments[2]), &act.place);
    }
    if (text.failed)
        refused = "the payload is larger than 16 MiB";
    else if (script->services.act)
        refused = script->services.act(script->services.context, &turn, &act);
    if (refused)
        answer = script_text_value(context, refused);
    iotify_buffer_wipe(&text);
    arena_wipe(&arena);
    return answer;
}

/* ------------------------------------------------------------------ facts */

static void set_number(JSContextRef context, JSObjectRef object, const char *name, double value)
{
    script_set(context, object, name, JSValueMakeNumber(context, value));
}

static JSObjectRef make_facts(struct script *script)
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
    set_number(context, facts, "waitLimit", (double)given->wait_limit / (double)SECOND);
    set_number(context, facts, "clients", (double)given->clients);
    set_number(context, facts, "repeat", (double)given->iterations);
    set_number(context, facts, "interval", (double)given->interval / (double)SECOND);
    set_number(context, facts, "seed", (double)(uint32_t)(given->seed ^ given->seed >> 32));
    return facts;
}

#define PLACE(member) (offsetof(struct turns, member) / sizeof(double))

/* Numbers that both sides know by name. */
static JSObjectRef make_names(struct script *script)
{
    static const struct {
        const char *name;
        unsigned long number;
    } names[] = {{"PUBLISH", ACT_PUBLISH}, {"DISCONNECT", ACT_DISCONNECT}, {"DROP", ACT_DROP},
        {"RECONNECT", ACT_RECONNECT}, {"ASSERT", ACT_ASSERT}, {"FINISH", ACT_FINISH},
        {"MESSAGE", SCRIPT_MESSAGE}, {"RESPONSE", SCRIPT_RESPONSE}, {"NOTHING", NOTHING},
        {"A_STRING", A_STRING}, {"SOMETHING_ELSE", SOMETHING_ELSE}, {"THROWN", THROWN},
        {"PENDING", PENDING}, {"SLOT", PLACE(slot)}, {"CLIENT", PLACE(client)},
        {"ITERATION", PLACE(iteration)}, {"AT", PLACE(at)}, {"WAITING", PLACE(waiting)},
        {"TRACKED", PLACE(tracked)}, {"SETTLED", PLACE(settled)}, {"LISTENERS", PLACE(listeners)},
        {"RESUMPTIONS", PLACE(resumptions)}, {"BATCH", PLACE(batch)},
        {"ENTRY", PLACE(batch[1]) - PLACE(batch[0])}};
    JSObjectRef object = JSObjectMake(script->context, NULL, NULL);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        set_number(script->context, object, names[i].name, (double)names[i].number);
    return object;
}

/* The memory belongs to the machine, which outlives the array. */
static void keep_turns(void *bytes, void *context)
{
    (void)bytes, (void)context;
}

/* ------------------------------------------------------------------ the runtime */

static JSObjectRef make_native(struct script *script)
{
    JSContextRef context = script->context;
    JSObjectRef native = JSObjectMake(context, NULL, NULL);

    script_add_function(script, native, "console", native_console);
    script_add_function(script, native, "now", native_now);
    script_add_function(script, native, "decode", native_decode);
    script_add_function(script, native, "act", native_act);
    script_add_glob(script, native);
    script_add_crypto(script, native);
    script_add_modules(script, native);
    script_set(context, native, "facts", make_facts(script));
    script_set(context, native, "names", make_names(script));
    script_set(context, native, "turns",
        JSObjectMakeTypedArrayWithBytesNoCopy(context, kJSTypedArrayTypeFloat64Array, script->turns,
            sizeof(*script->turns), keep_turns, NULL, NULL));
    return native;
}

static bool run_file(struct script *script, const struct runtime_file *file, JSObjectRef native)
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
        log_write(IOTIFY_ERROR, file->name, "%s", script_text(context, &script->arena, exception));
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
        {"recover", &script->recover}, {"rejected", &script->rejected}};
    JSContextRef context = script->context;
    JSObjectRef native = make_native(script);

    script->runtime = JSObjectMake(context, NULL, NULL);
    JSValueProtect(context, script->runtime);
    for (const struct runtime_file *file = runtime_files; file->name; file++)
        if (!run_file(script, file, native))
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
