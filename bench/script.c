/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures the cost of a call of message() in the script engine, compared with a bare
 * JavaScriptCore loop over the same function in the same process, and the memory of the states of
 * many devices. See script.sh.
 *
 *     bench-script calls            both templates, ours and bare in turn
 *     bench-script memory ours|bare DEVICES
 *     bench-script pauses DEVICES   the longest batches
 */
#include <JavaScriptCore/JavaScript.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/script/script.h"

#define DEVICES 10000
#define BATCH 100
#define ROUNDS 11

extern void JSContextGroupSetExecutionTimeLimit(JSContextGroupRef group, double limit,
    bool (*callback)(JSContextRef context, void *argument), void *argument);

static const struct {
    const char *name, *body;
} templates[] = {
    {"short", "state.n = (state.n || 0) + 1;\n"
              "return JSON.stringify({n: state.n, t: 20.5});\n"},
    {"30 lines", "if (!state.sensors) {\n"
                 "  state.sensors = {};\n"
                 "  state.alarms = 0;\n"
                 "  state.sent = 0;\n"
                 "  state.door = 'closed';\n"
                 "}\n"
                 "const names = ['temperature', 'humidity', 'pressure', 'voltage'];\n"
                 "const bounds = {temperature: [18, 30], humidity: [30, 70],\n"
                 "  pressure: [980, 1040], voltage: [3, 4]};\n"
                 "const readings = {};\n"
                 "for (const name of names) {\n"
                 "  const [low, high] = bounds[name];\n"
                 "  const before = state.sensors[name];\n"
                 "  const middle = (low + high) / 2;\n"
                 "  const value = before === undefined ? middle\n"
                 "    : Math.min(high, Math.max(low, before + (state.sent % 7 - 3) * 0.1));\n"
                 "  state.sensors[name] = value;\n"
                 "  readings[name] = Math.round(value * 100) / 100;\n"
                 "}\n"
                 "if (readings.temperature > 29.5) {\n"
                 "  state.alarms++;\n"
                 "}\n"
                 "if (state.sent % 10 === 9) {\n"
                 "  state.door = state.door === 'closed' ? 'open' : 'closed';\n"
                 "}\n"
                 "state.sent++;\n"
                 "const id = 'device-' + String(state.sent).padStart(6, '0');\n"
                 "const message = {id, n: state.sent, readings, door: state.door,\n"
                 "  alarms: state.alarms, firmware: '1.4.2', ok: state.alarms < 100};\n"
                 "return JSON.stringify(message);\n"},
};

/* Use each result, so that making it cannot be optimized away. */
static uint64_t seen;

static void look(const char *data, size_t size)
{
    seen += size ? (unsigned char)data[size / 2] + size : 0;
}

/* ------------------------------------------------------------------ ours */

static void on_output(void *argument, const struct script_output *output)
{
    (void)argument;
    if (!output->has_output)
        abort();
    look(output->bytes.data, output->bytes.size);
}

static struct script *open_ours(const char *body, size_t devices)
{
    static const struct script_services services = {0};
    const struct script_facts facts = {
        .job = "bench", .clients = (int64_t)devices, .seed = 1, .time_limit = SECOND};
    const struct script_code code = {body, {"bench.yaml", 10, 3}, NULL};
    struct diagnostics diagnostics = {0};
    struct script *script = script_new(&services, &facts);

    if (!script || !script_compile(script, SCRIPT_MESSAGE, &code, &diagnostics))
        abort();
    for (size_t i = 0; i < devices; i++)
        script_add_state(script, (int64_t)i);
    return script;
}

/* Returns the nanoseconds of the longest batch. */
static int64_t run_ours(struct script *script, size_t devices)
{
    struct script_turn turns[BATCH];
    struct iotify_buffer out;
    struct script_batch batch = {&out, on_output, NULL};
    int64_t longest = 0;

    iotify_buffer_init(&out, 1 << 20);
    for (size_t at = 0; at < devices; at += BATCH) {
        int64_t began = clock_now(), took;

        for (size_t i = 0; i < BATCH; i++)
            turns[i] = (struct script_turn){(int64_t)(at + i), (int64_t)(at + i), 0};
        script_messages(script, turns, BATCH, &batch);
        took = clock_now() - began;
        longest = took > longest ? took : longest;
    }
    iotify_buffer_clear(&out);
    return longest;
}

/* ------------------------------------------------------------------ bare */

struct bare {
    JSContextGroupRef group;
    JSGlobalContextRef context;
    JSObjectRef message, states, run, results;
};

static bool go_on(JSContextRef context, void *argument)
{
    (void)context, (void)argument;
    return false;
}

static JSObjectRef evaluate(JSContextRef context, const char *text)
{
    JSStringRef source = JSStringCreateWithUTF8CString(text);
    JSValueRef value = JSEvaluateScript(context, source, NULL, NULL, 1, NULL);

    JSStringRelease(source);
    if (!value)
        abort();
    JSValueProtect(context, value);
    return JSValueToObject(context, value, NULL);
}

static void open_bare(struct bare *bare, const char *body, size_t devices)
{
    char text[8192];

    bare->group = JSContextGroupCreate();
    bare->context = JSGlobalContextCreateInGroup(bare->group, NULL);
    JSContextGroupSetExecutionTimeLimit(bare->group, 1, go_on, NULL);
    snprintf(text, sizeof(text), "(function message(state) {\n%s\n})", body);
    bare->message = evaluate(bare->context, text);
    snprintf(text, sizeof(text), "Array.from({length: %zu}, () => ({}))", devices);
    bare->states = evaluate(bare->context, text);
    bare->results = evaluate(bare->context, "[]");
    bare->run = evaluate(bare->context,
        "(function (message, states, results, from, count) {"
        "  for (let i = 0; i < count; i++) results[i] = message(states[from + i]); })");
}

static void close_bare(struct bare *bare)
{
    JSGlobalContextRelease(bare->context);
    JSContextGroupRelease(bare->group);
}

static void run_bare(struct bare *bare, size_t devices)
{
    char text[4096];

    for (size_t at = 0; at < devices; at += BATCH) {
        JSValueRef arguments[] = {bare->message, bare->states, bare->results,
            JSValueMakeNumber(bare->context, (double)at), JSValueMakeNumber(bare->context, BATCH)};

        if (!JSObjectCallAsFunction(bare->context, bare->run, NULL, 5, arguments, NULL))
            abort();
        for (unsigned i = 0; i < BATCH; i++) {
            JSValueRef value = JSObjectGetPropertyAtIndex(bare->context, bare->results, i, NULL);
            JSStringRef string = JSValueToStringCopy(bare->context, value, NULL);
            size_t size = JSStringGetUTF8CString(string, text, sizeof(text));

            JSStringRelease(string);
            look(text, size ? size - 1 : 0);
        }
    }
}

/* ------------------------------------------------------------------ the commands */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

static void bench_calls(const char *name, const char *body)
{
    struct script *script = open_ours(body, DEVICES);
    double ours[ROUNDS], bares[ROUNDS], ratios[ROUNDS];
    struct bare bare;

    open_bare(&bare, body, DEVICES);
    for (int i = 0; i < 10; i++) {
        run_ours(script, DEVICES);
        run_bare(&bare, DEVICES);
    }
    for (int i = 0; i < ROUNDS; i++) {
        int64_t began = clock_cpu(), between;

        run_ours(script, DEVICES);
        between = clock_cpu();
        run_bare(&bare, DEVICES);
        ours[i] = (double)(between - began) / DEVICES;
        bares[i] = (double)(clock_cpu() - between) / DEVICES;
        ratios[i] = ours[i] / bares[i];
    }
    printf("%-9s ours %5.0f ns, bare loop %5.0f ns a call: %.2f (batches of %d, watchdog on)\n",
        name, median(ours, ROUNDS), median(bares, ROUNDS), median(ratios, ROUNDS), BATCH);
    close_bare(&bare);
    script_free(script);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        abort();
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Print the memory of the process in KiB when all devices have a state. */
static void bench_memory(const char *which, size_t devices)
{
    if (strcmp(which, "ours") == 0) {
        struct script *script = open_ours(templates[1].body, devices);

        run_ours(script, devices);
        run_ours(script, devices);
        printf("%ld\n", resident_kib());
        script_free(script);
    } else {
        struct bare bare;

        open_bare(&bare, templates[1].body, devices);
        run_bare(&bare, devices);
        run_bare(&bare, devices);
        printf("%ld\n", resident_kib());
        close_bare(&bare);
    }
}

static void bench_pauses(size_t devices)
{
    struct script *script = open_ours(templates[1].body, devices);
    int64_t longest = 0, first;

    first = run_ours(script, devices);
    for (int i = 0; i < 10; i++) {
        int64_t one = run_ours(script, devices);

        longest = one > longest ? one : longest;
    }
    printf("%zu devices: longest batch of %d %.1f ms in 10 rounds; %.1f ms in the first\n", devices,
        BATCH, (double)longest / 1e6, (double)first / 1e6);
    script_free(script);
}

int main(int count, char **arguments)
{
    const char *part = count > 1 ? arguments[1] : "";

    setenv("JSC_usePollingTraps", "true", 1);
    if (strcmp(part, "calls") == 0)
        for (size_t i = 0; i < 2; i++)
            bench_calls(templates[i].name, templates[i].body);
    else if (strcmp(part, "memory") == 0 && count > 3)
        bench_memory(arguments[2], strtoul(arguments[3], NULL, 10));
    else if (strcmp(part, "pauses") == 0 && count > 2)
        bench_pauses(strtoul(arguments[2], NULL, 10));
    else
        return 2;
    return seen == 0;
}
