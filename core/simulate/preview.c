/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/preview.h"
#include "core/script/expression.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/simulate/check.h"
#include "core/simulate/settings.h"
#include "core/simulate/solo.h"
#include "core/template/template.h"

#define MESSAGES 10

struct preview {
    const struct template_file *template;
    struct script *script;
    struct expression_set publish;
    struct glob_port *port;
    struct script_turn turn;
    enum script_function function; /* that runs now */
    struct arena arena;
    bool failed, pending, complete;
    bool connected; /* as scripts see it */
    bool sent;      /* a message was printed in this call */
};

/* ------------------------------------------------------------------ output */

static void preview_print_line(const char *what, const char *text)
{
    printf("%-12s %s\n", what, text);
}

static void preview_print_state(struct preview *preview)
{
    struct iotify_buffer text;

    iotify_buffer_init(&text, 1 << 20);
    if (script_show_state(preview->script, 0, &text))
        preview_print_line("  state", iotify_buffer_text(&text));
    iotify_buffer_wipe(&text);
}

static void preview_print_lines(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");

        printf("    %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void preview_print_error(struct preview *preview, const struct script_error *error)
{
    preview->failed = true;
    printf("%-12s %s:%d:%d: %s (client %lld, iteration %lld)\n", "  error", error->location.file,
        error->location.line, error->location.column, error->text, (long long)preview->turn.client,
        (long long)preview->turn.iteration);
    preview_print_lines(error->excerpt);
    preview_print_lines(error->stack);
}

/* The topic by the template's publish settings, "" if there is none; NULL after an error. */
static const char *preview_topic_of(struct preview *preview)
{
    const struct template_file *template = preview->template;
    const struct iotify_settings *settings;
    struct iotify_setting setting;
    const char *error = NULL;
    const void *options;

    if (!template->transport)
        return "";
    settings = template->transport->plugin->transport.publish;
    options = expression_set_apply(&preview->publish, preview->script, preview->turn, settings,
        template->publish, template->job->directory, &preview->arena, &error);
    if (!options) {
        preview->failed = true;
        printf("%-12s %s\n", "  error", error);
        return NULL;
    }
    if (!schema_find_role(settings, IOTIFY_ROLE_TOPIC, IOTIFY_TYPE_STRING, &setting))
        return "";
    return *(const char *const *)(const void *)((const char *)options + setting.offset);
}

static void preview_print_message(
    struct preview *preview, const char *topic, struct iotify_bytes payload)
{
    struct iotify_buffer text;
    char what[32];

    snprintf(what, sizeof(what), "message %lld", (long long)preview->turn.iteration);
    preview->sent = true;
    if (!topic)
        topic = preview_topic_of(preview);
    iotify_buffer_init(&text, 1 << 16);
    if (topic && *topic)
        iotify_buffer_format(&text, "to %s: ", topic);
    solo_payload(payload, &text);
    if (topic)
        preview_print_line(what, iotify_buffer_text(&text));
    iotify_buffer_wipe(&text);
}

/* ------------------------------------------------------------------ callbacks of scripts */

static const char *preview_on_command(
    void *argument, const struct script_turn *turn, const struct script_command *command)
{
    struct preview *preview = argument;

    (void)turn;
    switch (command->kind) {
    case COMMAND_PUBLISH:
    case COMMAND_RETURN:
        if (!preview->connected)
            return "there is no connection yet: this is for message(), response() and finish()";
        preview_print_message(preview, command->topic, command->payload);
        break;
    case COMMAND_DISCONNECT:
    case COMMAND_DROP:
        preview_print_line("  disconnect", "");
        break;
    case COMMAND_RECONNECT:
        preview_print_line("  reconnect", "");
        break;
    case COMMAND_ASSERT:
        preview->failed = true;
        printf("%-12s %s:%d:%d: %s\n", "  assertion", command->location.file,
            command->location.line, command->location.column, command->text);
        break;
    case COMMAND_FINISH:
        preview->complete = true;
        break;
    }
    return NULL;
}

static void preview_on_console(
    void *argument, enum iotify_level level, const struct script_turn *turn, const char *text)
{
    static const char *const names[] = {"  error:", "  warning:", "  log:", "  debug:"};

    (void)argument, (void)turn;
    preview_print_line(names[level <= IOTIFY_LOG_DEBUG ? level : IOTIFY_LOG_INFO], text);
}

static void preview_on_settled(void *argument, enum script_function function,
    const struct script_turn *turn, const struct script_output *output)
{
    struct preview *preview = argument;

    /* Otherwise a promise failed that no call waits for. */
    if (function == preview->function && turn->iteration == preview->turn.iteration)
        preview->pending = false;
    if (output->error)
        preview_print_error(preview, output->error);
    else if (function == SCRIPT_MESSAGE && output->has_output)
        preview_print_message(preview, NULL, output->bytes);
}

/* ------------------------------------------------------------------ calls */

static bool preview_call(struct preview *preview, enum script_function function)
{
    bool failed_before = preview->failed, function_failed;

    struct iotify_buffer out;
    struct script_invocation invocation = {
        .function = function, .turn = preview->turn, .out = &out};

    preview->failed = false;
    preview->function = function;
    iotify_buffer_init(&out, 16 << 20);
    if (!script_invoke(preview->script, &invocation))
        preview_print_error(preview, &invocation.error);
    else if (invocation.has_output)
        preview_print_message(
            preview, NULL, (struct iotify_bytes){iotify_buffer_text(&out), out.size});
    preview->pending = invocation.pending;
    iotify_buffer_wipe(&out);
    while (preview->pending) {
        script_give_up(preview->script);
        if (preview->pending)
            script_await(preview->script, SECOND / 10);
    }
    /* The result is that of this call; `failed` keeps earlier failures. */
    function_failed = preview->failed;
    preview->failed = preview->failed || failed_before;
    return !function_failed;
}

static void preview_run_functions(struct preview *preview)
{
    preview_print_line("init", "");
    if (!preview_call(preview, SCRIPT_INIT))
        return;
    preview_print_state(preview);
    preview->connected = true;
    for (; preview->turn.iteration < MESSAGES && !preview->complete; preview->turn.iteration++) {
        preview->sent = false;
        if (preview_call(preview, SCRIPT_MESSAGE) && !preview->sent)
            preview_print_message(preview, "", (struct iotify_bytes){"(nothing)", 9});
        script_answer(preview->script);
        preview_print_state(preview);
    }
    preview_print_line("finish", "");
    preview_call(preview, SCRIPT_FINISH);
    while (script_progresses(preview->script))
        script_await(preview->script, SECOND / 10);
    preview_print_state(preview);
}

/* ------------------------------------------------------------------ setup */

/* An empty store in memory. */
static struct store *preview_open_store(struct registry *registry, struct call *call)
{
    const struct plugin *plugin;
    const char *text = "";
    struct store *store = NULL;
    struct diagnostics diagnostics = {0};
    struct binder binder = {.arena = &call->arena, .diagnostics = &diagnostics, .directory = ""};

    if (registry_load(registry, "memory", &plugin, &text) != REGISTRY_OK) {
        fprintf(stderr, "iotifyd: --preview: %s\n", text);
        return NULL;
    }
    if (store_open(call, plugin,
            schema_bind(&binder, plugin->descriptor.settings, NULL, "", (struct location){"", 0, 0},
                NULL, NULL),
            &store) != IOTIFY_RESULT_OK)
        fprintf(stderr, "iotifyd: --preview: %s\n", call_message(call, IOTIFY_RESULT_FAILED));
    diagnostics_clear(&diagnostics);
    return store;
}

static bool preview_open_script(struct preview *preview, const struct job *job,
    const struct simulate_options *options, int64_t clients, struct diagnostics *diagnostics)
{
    const struct script_services services = {.context = preview,
        .glob = preview->port,
        .console = preview_on_console,
        .command = preview_on_command,
        .settled = preview_on_settled};
    struct script_facts facts = {.job = job->options->name,
        .clients = clients,
        .iterations = MESSAGES,
        .interval = options->interval,
        .seed = (uint64_t)options->seed,
        .time_limit = options->time_limit,
        .wait_limit = options->wait_limit,
        .memory_limit = options->memory_limit,
        .settings = check_run_settings(
            job, options, preview->turn.client, clients, MESSAGES, &preview->arena)};

    template_facts(preview->template, &facts);
    preview->script = script_new(&services, &facts);
    if (!preview->script || !template_compile(preview->template, preview->script, diagnostics) ||
        !expression_set_compile(&preview->publish, preview->script,
            preview->template->publish_expressions, diagnostics))
        return false;
    script_add_state(preview->script, preview->turn.client);
    return true;
}

static bool preview_template(struct preview *preview, const struct job *job,
    const struct step *step, struct store *store, struct diagnostics *diagnostics)
{
    const struct simulate_options *options = step->options;
    struct glob *glob = glob_new(store, "preview", false);
    bool good;

    if (!glob)
        return false;
    preview->port = glob_port_new(glob, NULL, NULL);
    good = preview_open_script(preview, job, options, check_clients_of(job, step), diagnostics);
    if (good)
        preview_run_functions(preview);
    expression_set_clear(&preview->publish);
    script_free(preview->script);
    glob_port_free(preview->port);
    glob_free(glob);
    arena_wipe(&preview->arena);
    return good && !preview->failed;
}

bool preview_run(
    const struct job *job, struct registry *registry, const struct step *step, int64_t client)
{
    const struct simulate_options *options = step->options;
    const char *name = check_shown(job, options->template);
    struct diagnostics diagnostics = {0};
    struct template_file template = {0};
    struct preview preview = {.template = &template, .turn = {0, client, 0}};
    struct call call;
    struct store *store;
    bool good = false;

    if (access(options->template, F_OK) != 0) {
        fprintf(stderr, "iotifyd: --preview: the template %s does not exist yet\n", name);
        return false;
    }
    call_init(&call, "preview");
    store = preview_open_store(registry, &call);
    if (store &&
        template_load(&template, job, options->template, name, options->transport, &diagnostics)) {
        printf("%s, client %lld\n", name, (long long)client);
        good = preview_template(&preview, job, step, store, &diagnostics);
    }
    diagnostics_print(&diagnostics, stderr);
    diagnostics_clear(&diagnostics);
    template_clear(&template);
    store_close(store);
    call_clear(&call);
    return good;
}
