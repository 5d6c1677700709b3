/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/script/script.h"
#include "tests/core/store/memory_store.h"

/* The last console line, the commands of the script, and the result of a promise. */
static struct {
    char console[256];
    char acts[512];
    char settled[256];
    const char *refused;
} world;

static struct registry registry;
static struct store *store;
static struct glob *glob;
static struct glob_port *port;
static struct arena arena;
static struct diagnostics diagnostics;
static struct script *script;
static struct iotify_buffer out;
static struct script_invocation last;

static void console(
    void *context, enum iotify_level level, const struct script_turn *turn, const char *text)
{
    (void)context;
    (void)level;
    snprintf(world.console, sizeof(world.console), "%lld/%lld %s", (long long)turn->client,
        (long long)turn->iteration, text);
}

static const char *act(
    void *context, const struct script_turn *turn, const struct script_command *asked)
{
    size_t used = strlen(world.acts);

    (void)context;
    if (world.refused)
        return world.refused;
    snprintf(world.acts + used, sizeof(world.acts) - used, "%lld:%d:%s:%.*s:%d:%d:%s:%d;",
        (long long)turn->client, (int)asked->kind, asked->topic ? asked->topic : "-",
        (int)asked->payload.size, asked->payload.data ? (const char *)asked->payload.data : "",
        asked->qos, asked->retain, asked->text ? asked->text : "", asked->location.line);
    return NULL;
}

static void settled(void *context, enum script_function function, const struct script_turn *turn,
    const struct script_output *output)
{
    (void)context;
    snprintf(world.settled, sizeof(world.settled), "%d %lld/%lld %s", (int)function,
        (long long)turn->client, (long long)turn->iteration,
        output->error        ? output->error->text
        : output->has_output ? (const char *)output->bytes.data
                             : "(nothing)");
}

/* Limits that no call of a test reaches on a busy machine, unless `limit` is what is tested. */
static int set_up_with(int64_t limit)
{
    struct script_services services = {.console = console, .command = act, .settled = settled};
    const struct script_facts facts = {.job = "test",
        .clients = 3,
        .iterations = 10,
        .interval = 2 * SECOND,
        .seed = 42,
        .time_limit = limit,
        .wait_limit = limit};

    memset(&world, 0, sizeof(world));
    store = memory_store(&registry, &arena);
    glob = glob_new(store, "test", false);
    port = glob_port_new(glob, NULL, NULL);
    services.glob = port;
    script = script_new(&services, &facts);
    iotify_buffer_init(&out, 1 << 20);
    script_add_state(script, 0);
    script_add_state(script, 1);
    return script ? 0 : -1;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(300 * SECOND);
}

static int set_up_short_limits(void **state)
{
    (void)state;
    return set_up_with(SECOND);
}

static int tear_down(void **state)
{
    (void)state;
    script_free(script);
    glob_port_free(port);
    glob_free(glob);
    store_close(store);
    registry_clear(&registry);
    iotify_buffer_clear(&out);
    arena_clear(&arena);
    diagnostics_clear(&diagnostics);
    return 0;
}

static bool compile(enum script_function function, const char *text)
{
    const struct script_code code = {text, {"t.yaml", 10, 3}, NULL};

    return script_compile(script, function, &code, &diagnostics);
}

/* The result of message() with this body, for client 7 in iteration 3. */
static const char *message(const char *body)
{
    assert_true(compile(SCRIPT_MESSAGE, body));
    iotify_buffer_reset(&out);
    last = (struct script_invocation){.function = SCRIPT_MESSAGE, .turn = {0, 7, 3}, .out = &out};
    if (!script_invoke(script, &last))
        return NULL;
    return last.has_output ? iotify_buffer_text(&out) : "(nothing)";
}

static void returns_payloads(void **state)
{
    (void)state;
    assert_string_equal(message("return 'hello'"), "hello");
    assert_string_equal(message("return 'ünï'"), "ünï");
    assert_string_equal(message("return Buffer.from('414243', 'hex')"), "ABC");
    assert_string_equal(message("return new Uint8Array([65, 66])"), "AB");
    assert_string_equal(message("return ''"), "");
    assert_string_equal(message("return null"), "(nothing)");
    assert_string_equal(message("let x = 1;"), "(nothing)");
    assert_null(message("return {a: 1}"));
    assert_string_equal(last.error.text,
        "message must return a string, a Buffer or a list of messages; return JSON.stringify(…) of "
        "an object");
    assert_string_equal(message("return Buffer.from([0, 1, 255])") ? "bytes" : "", "bytes");
    assert_int_equal(out.size, 3);
    assert_memory_equal(out.data, "\0\1\377", 3);
}

static void knows_the_run(void **state)
{
    (void)state;
    assert_string_equal(
        message("return [client(), index(), iteration(), jobId(), jobClients(), jobRepeat(), "
                "jobInterval()].join()"),
        "7,3,3,test,3,10,2");
}

static void keeps_state_apart(void **state)
{
    struct script_invocation other = {.function = SCRIPT_MESSAGE, .turn = {1, 8, 0}, .out = &out};

    (void)state;
    assert_string_equal(message("state.n = (state.n || 0) + 1; return String(state.n)"), "1");
    last.has_output = false;
    iotify_buffer_reset(&out);
    assert_true(script_invoke(script, &last));
    assert_string_equal(iotify_buffer_text(&out), "2");
    iotify_buffer_reset(&out);
    assert_true(script_invoke(script, &other));
    assert_string_equal(iotify_buffer_text(&out), "1");
}

static void hides_keys(void **state)
{
    (void)state;
    assert_string_equal(
        message("state.__$key = 'SECRET'; state.a = {__$b: 'SECRET', c: [{__$d: 'SECRET', e: 1}]};"
                "return JSON.stringify(state)"),
        "{\"a\":{\"c\":[{\"e\":1}]}}");
    assert_string_equal(
        message(
            "return JSON.stringify({x: 1, __$y: 2}, (k, v) => typeof v === 'number' ? v + 1 : v)"),
        "{\"x\":2}");
    assert_string_equal(
        message("return JSON.stringify({x: 1, __$y: 2}, ['x', '__$y'])"), "{\"x\":1}");
    assert_string_equal(
        message("return JSON.stringify({note: 'costs 5__$'})"), "{\"note\":\"costs 5__$\"}");
    assert_string_equal(message("console.log('state', state); return 'x'"), "x");
    assert_null(strstr(world.console, "SECRET"));
    assert_string_equal(world.console, "7/3 state {\"a\":{\"c\":[{\"e\":1}]}}");
}

/* The result of a promise, after the glob has answered. */
static const char *later(const char *body)
{
    assert_string_equal(message(body), "(nothing)");
    assert_true(last.pending);
    world.settled[0] = '\0';
    for (int i = 0; i < 100 && !world.settled[0]; i++) {
        glob_await(port, SECOND / 10);
        script_answer(script);
    }
    return world.settled;
}

static void uses_the_glob(void **state)
{
    (void)state;
    assert_string_equal(message("return String(glob.get('nothing') || 'falsy')"), "falsy");
    assert_string_equal(message("glob.set('k', 'v'); return glob.get('k')"), "v");
    assert_string_equal(
        message("glob.set('k', {a: [1, null, 'x']}); return JSON.stringify(glob.get('k'))"),
        "{\"a\":[1,null,\"x\"]}");
    assert_string_equal(message("glob.set('k', 5); return typeof glob.get('k')"), "number");
    assert_string_equal(message("glob.delete('k'); return String(glob.get('k'))"), "undefined");
    assert_null(message("glob.get('')"));
    assert_string_equal(
        later("glob.set('k', 'w'); await glob.flush(); return glob.get('k')"), "1 7/3 w");
    assert_string_equal(
        later("return new Promise(r => glob.get('k', (e, v) => r(`${e} ${v} ${client()}`)))"),
        "1 7/3 null w 7");
    assert_string_equal(later("return await new Promise(r => glob.delete('k', (e, _) => r(`${e} "
                              "${glob.get('k')}`)))"),
        "1 7/3 null undefined");
    /* A callback with one parameter gets the result. */
    assert_string_equal(later("return await new Promise(r => glob.set('k', 5, (ok) => "
                              "glob.get('k', (v) => r(String(ok + v)))))"),
        "1 7/3 6");
}

static void changes_the_glob_at_once(void **state)
{
    (void)state;
    assert_string_equal(
        later("const all = await Promise.all([glob.increment('n'), glob.increment('n', 2.5),"
              "glob.increment('n', -1)]); return all.join()"),
        "1 7/3 1,3.5,2.5");
    assert_string_equal(
        later("return String(await glob.compareAndSet('c', undefined, {a: 1}))"), "1 7/3 true");
    assert_string_equal(
        later("return String(await glob.compareAndSet('c', undefined, 2))"), "1 7/3 false");
    assert_string_equal(
        later("return String(await glob.compareAndSet('c', {a: 1}, [3])) + glob.get('c')"),
        "1 7/3 true3");
    assert_string_equal(later("return String(await glob.compareAndSet('c', [3], undefined)) + "
                              "glob.get('c')"),
        "1 7/3 trueundefined");
    assert_string_equal(later("glob.set('p/b', 1); glob.set('p/a', 1); glob.set('q', 'text');"
                              "return (await glob.list('p/')).join()"),
        "1 7/3 p/a,p/b");
    assert_string_equal(later("return await glob.increment('q')"),
        "1 7/3 Error: glob.increment: the value of \"q\" is not a number");
    assert_string_equal(
        later("await glob.increment('n'); return client() + '/' + index()"), "1 7/3 7/3");
}

static void has_mailboxes(void **state)
{
    (void)state;
    assert_string_equal(
        message("mailbox.post('a/b', {x: 1}); mailbox.post('a/b', 'two'); mailbox.post('a', 3);"
                "return mailbox.count('a/b') + JSON.stringify(mailbox.dump('a/b')) +"
                "mailbox.pop('a/b') + JSON.stringify(mailbox.pop('a/b')) + mailbox.pop('a/b')"),
        "2[\"two\",{\"x\":1}]two{\"x\":1}undefined");
    assert_string_equal(message("mailbox.delete('a'); return String(mailbox.count('a'))"), "0");
    assert_string_equal(later("mailbox.post('c', 1); return await new Promise((r) =>"
                              "mailbox.pop('c', (e, v) => r(`${e} ${v}`)))"),
        "1 7/3 null 1");
}

static void original_clean_up_runs(void **state)
{
    (void)state;
    message("glob.set('aws_iotify_7_key', 'K'); glob.set('aws_iotify_7_cert', 'C')");
    assert_string_equal(message("glob.delete(\"aws_iotify_\" + client() + \"_key\"); "
                                "glob.delete(\"aws_iotify_\" + client() + \"_cert\");"),
        "(nothing)");
    assert_string_equal(
        later("await glob.flush(); return (await glob.list()).length + ''"), "1 7/3 0");
}

static void waits_for_promises(void **state)
{
    (void)state;
    /* A promise that waits for nothing is settled when the call returns. */
    assert_string_equal(message("await null; return 'now'"), "now");
    assert_string_equal(message("return Promise.resolve(Buffer.from('b'))"), "b");
    assert_null(message("await null; missing()"));
    assert_string_equal(last.error.text, "ReferenceError: Can't find variable: missing");
    assert_int_equal(last.error.location.column, 22);
    message("await new Promise(() => {})");
    assert_true(last.pending);
    assert_true(script_waits(script));
    assert_false(script_progresses(script));
    script_give_up(script);
    assert_string_equal(world.settled, "1 7/3 message() waits for a promise that nothing settles");
    assert_string_equal(message("return 'still here'"), "still here");
}

static void asks_of_its_device(void **state)
{
    (void)state;
    assert_string_equal(message("publish('t', 'p'); publish('t', Buffer.from('q'), {qos: 0, "
                                "retain: true}); return 'm'"),
        "m");
    assert_string_equal(world.acts, "7:1:t:p:-1:-1::0;7:1:t:q:0:1::0;");
    world.acts[0] = '\0';
    assert_string_equal(
        message("return ['a', null, {topic: 'x', payload: 'b', qos: 1}, {payload: 'c'}]"),
        "(nothing)");
    assert_string_equal(world.acts, "7:2:-:a:-1:-1::0;7:2:x:b:1:-1::0;7:2:-:c:-1:-1::0;");
    world.acts[0] = '\0';
    message("disconnect();\ndisconnect({clean: false}); reconnect(); assert(1);\n"
            "  assert(0, 'not so');");
    assert_string_equal(
        world.acts, "7:3:-::-1:-1::0;7:4:-::-1:-1::0;7:5:-::-1:-1::0;7:6:-::-1:-1:not so:12;");
    world.refused = "not now";
    assert_string_equal(
        message("try { publish('t', 'p') } catch (e) { return e.message }"), "not now");
    assert_null(message("publish('t', {a: 1})"));
    assert_string_equal(last.error.text,
        "TypeError: publish: the payload is a string or a Buffer; use JSON.stringify(…) for an "
        "object");
}

static void volatile_stays_inside(void **state)
{
    (void)state;
    assert_string_equal(message("let low = 99, high = 0; for (let i = 0; i < 5000; i++) {"
                                "const v = volatile({key: 't', min: 18, max: 30, delta: 4});"
                                "low = Math.min(low, v); high = Math.max(high, v); }"
                                "return String(low >= 18 && high <= 30 && low < 19 && high > 29)"),
        "true");
}

static void answers_get_topic_and_bytes(void **state)
{
    struct script_invocation response = {.function = SCRIPT_RESPONSE,
        .turn = {0, 7, 3},
        .topic = "a/b",
        .payload = {"gr\303\274n\377", 6}};

    (void)state;
    assert_true(compile(SCRIPT_RESPONSE,
        "console.log(topic, response.toString(), response.length, response.toString('hex'))"));
    assert_true(script_invoke(script, &response));
    assert_string_equal(world.console, "7/3 a/b grün\357\277\275 6 6772c3bc6eff");
}

static void errors_have_places(void **state)
{
    static const struct {
        const char *body;
        int line, column;
        const char *text;
    } cases[] = {
        {.body = "let a = 1;\n  return a.b.c;\n",
            .line = 11,
            .column = 15,
            .text = "TypeError: undefined is not an object (evaluating 'a.b.c')"},
        {.body = "missing();\n",
            .line = 10,
            .column = 10,
            .text = "ReferenceError: Can't find variable: missing"},
        {.body = "throw new RangeError('too far')",
            .line = 10,
            .column = 23,
            .text = "RangeError: too far"},
        {.body = "throw 'text'", .line = 10, .column = 3, .text = "threw text"},
        {.body = "\n\n  null.x",
            .line = 12,
            .column = 9,
            .text = "TypeError: null is not an object (evaluating 'null.x')"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_null(message(cases[i].body));
        assert_string_equal(last.error.text, cases[i].text);
        assert_string_equal(last.error.location.file, "t.yaml");
        assert_int_equal(last.error.location.line, cases[i].line);
        assert_int_equal(last.error.location.column, cases[i].column);
    }
    assert_false(compile(SCRIPT_INIT, "let x = ;\n"));
    assert_int_equal(diagnostics.items[0].location.line, 10);
    assert_int_equal(diagnostics.items[0].location.column, 11);
}

static void limits_end_calls(void **state)
{
    (void)state;
    assert_null(message("while (true) {}"));
    assert_string_equal(last.error.text, "stopped after 1 s; a call may not take longer");
    assert_null(message("await null; for (;;) ;"));
    message("await new Promise(() => {})");
    while (script_waits(script)) {
        script_expire(script);
        usleep(1000);
    }
    assert_string_equal(
        world.settled, "1 7/3 message() has waited for a promise for 1 s, which is wait_limit");
    /* The context still works. */
    assert_string_equal(message("return 'still here'"), "still here");
}

static const char *expand(const char *text)
{
    static struct script_error error;
    struct script_turn turn = {0, 7, 3};
    struct expression *expression;

    diagnostics_clear(&diagnostics);
    expression =
        script_expression(script, "topic", text, (struct location){"t.yaml", 4, 5}, &diagnostics);

    if (!expression)
        return diagnostics.items[diagnostics.count - 1].text;
    iotify_buffer_reset(&out);
    return script_expand(script, expression, turn, &out, &error) ? iotify_buffer_text(&out)
                                                                 : error.text;
}

static void expressions_expand(void **state)
{
    (void)state;
    message("state.__$key = '-----BEGIN\\nx\\n-----END\\n'; return ''");
    assert_string_equal(expand("a/{{client()}}/b"), "a/7/b");
    assert_string_equal(expand("{{client()}}{{index()}}"), "73");
    assert_string_equal(expand("{{state.__$key}}"), "-----BEGIN\nx\n-----END\n");
    assert_string_equal(expand("{{ ({a: {b: '}}'}}).a.b }}"), "}}");
    assert_string_equal(expand("{{`x${client()}`}}"), "x7");
    assert_string_equal(expand("no expression"), "no expression");
    assert_string_equal(expand("{{0}}"), "0");
    assert_string_equal(expand("{{state.nothing}}"), "\"topic\": {{state.nothing}} is undefined");
    assert_string_equal(expand("{{nothing}}"),
        "\"topic\": {{nothing}}: ReferenceError: Can't find variable: nothing");
    assert_string_equal(expand("{{client()"), "\"topic\": {{ without its }}");
    assert_string_equal(expand("{{}}"), "\"topic\": {{ }} holds no expression");
    assert_string_equal(expand("{{1); evil("), "\"topic\": {{ without its }}");
}

static void user_code_reaches_nothing_else(void **state)
{
    (void)state;
    assert_string_equal(message("return [typeof process, typeof fetch, typeof setTimeout, "
                                "typeof native].join()"),
        "undefined,undefined,undefined,undefined");
    assert_null(message("require('fs')"));
    assert_string_equal(last.error.text,
        "Error: Cannot find module 'fs': scripts have no files, network, timers or processes");
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(returns_payloads), CASE(knows_the_run),
        CASE(keeps_state_apart), CASE(hides_keys), CASE(uses_the_glob),
        CASE(changes_the_glob_at_once), CASE(has_mailboxes), CASE(waits_for_promises),
        CASE(asks_of_its_device), CASE(original_clean_up_runs), CASE(volatile_stays_inside),
        CASE(answers_get_topic_and_bytes), CASE(errors_have_places),
        cmocka_unit_test_setup_teardown(limits_end_calls, set_up_short_limits, tear_down),
        CASE(expressions_expand), CASE(user_code_reaches_nothing_else)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
