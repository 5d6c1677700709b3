/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/suggest.h"
#include "core/base/value.h"
#include "core/base/wrap.h"
#include "core/cli/exit_code.h"

#define OFFSET(member) offsetof(struct options, member)
#define RUN OPTIONS_FOR(COMMAND_RUN)
#define INIT OPTIONS_FOR(COMMAND_INIT)
#define GLOB OPTIONS_FOR(COMMAND_GLOB)
#define JOB (RUN | GLOB | OPTIONS_FOR(COMMAND_IAM))
#define IMPORT OPTIONS_FOR(COMMAND_IMPORT)
#define REPORT OPTIONS_FOR(COMMAND_REPORT)
#define COMPARE OPTIONS_FOR(COMMAND_COMPARE)
#define PLUGINS OPTIONS_FOR(COMMAND_PLUGINS)
#define ANY (JOB | INIT | IMPORT | REPORT | COMPARE | PLUGINS | OPTIONS_FOR(COMMAND_SCHEMA))
const struct options_entry options_table[] = {
    {.name = "--check",
        .offset = OFFSET(check),
        .kind = OPTIONS_FLAG,
        .commands = RUN,
        .help = "validate everything that can be known without a network call"},
    {.name = "--print",
        .offset = OFFSET(print),
        .kind = OPTIONS_FLAG,
        .commands = RUN,
        .help = "print the effective job: defaults filled in, secrets redacted"},
    {.name = "--plan",
        .offset = OFFSET(plan),
        .kind = OPTIONS_FLAG,
        .commands = RUN,
        .help = "print what would be created, changed and deleted; change nothing"},
    {.name = "--preview",
        .offset = OFFSET(preview),
        .kind = OPTIONS_FLAG,
        .commands = RUN,
        .help = "run init() and ten messages of one client without a network"},
    {.name = "--solo",
        .offset = OFFSET(solo),
        .kind = OPTIONS_VALUE,
        .commands = RUN,
        .argument = "CLIENT",
        .help = "simulate one client, and print everything about it"},
    {.name = "--set",
        .offset = OFFSET(overrides),
        .kind = OPTIONS_LIST,
        .commands = JOB | PLUGINS | INIT,
        .argument = "PATH=VALUE",
        .help = "override a setting, for example --set devices=500; init: answer a question"},
    {.name = "--keep",
        .offset = OFFSET(keep),
        .kind = OPTIONS_FLAG,
        .commands = RUN,
        .help = "do not run cleanup"},
    {.name = "--prune",
        .offset = OFFSET(prune),
        .kind = OPTIONS_FLAG,
        .commands = RUN,
        .help = "deploy: remove devices that are no longer in the job"},
    {.name = "--verify",
        .offset = OFFSET(verify),
        .kind = OPTIONS_VALUE,
        .commands = RUN,
        .argument = "fast|full",
        .help =
            "deploy: compare with listings (fast, the default), or also with a call per device"},
    {.name = "--no-repair",
        .offset = OFFSET(no_repair),
        .kind = OPTIONS_FLAG,
        .commands = RUN,
        .help =
            "deploy: report devices that differ from their records, and change nothing of them"},
    {.name = "--repair",
        .offset = OFFSET(repair),
        .kind = OPTIONS_FLAG,
        .commands = RUN,
        .help = "deploy: also reactivate or replace certificates that are inactive or revoked"},
    {.name = "--from-service",
        .offset = OFFSET(from_service),
        .kind = OPTIONS_FLAG,
        .commands = RUN,
        .help = "cleanup: by what the service has of the job, not by the store; needs --yes"},
    {.name = "--from-aws",
        .offset = OFFSET(from_service),
        .kind = OPTIONS_FLAG,
        .commands = RUN,
        .help = "cleanup: the same as --from-service"},
    {.name = "--yes",
        .offset = OFFSET(yes),
        .kind = OPTIONS_FLAG,
        .commands = RUN,
        .help = "delete what --from-service has found"},
    {.name = "--json",
        .offset = OFFSET(json),
        .kind = OPTIONS_VALUE,
        .commands = RUN,
        .argument = "FILE",
        .help = "write the summary as JSON; - is standard output"},
    {.name = "--limit",
        .offset = OFFSET(limits),
        .kind = OPTIONS_LIST,
        .commands = COMPARE,
        .argument = "LIMIT",
        .help = "compare: how much worse a number may be, as in \"publish.p99 +10%\"; repeatable"},
    {.name = "--junit",
        .offset = OFFSET(junit),
        .kind = OPTIONS_VALUE,
        .commands = RUN,
        .argument = "FILE",
        .help = "write steps and thresholds as JUnit XML, for CI systems"},
    {.name = "--series",
        .offset = OFFSET(series),
        .kind = OPTIONS_VALUE,
        .commands = RUN | REPORT,
        .argument = "FILE",
        .help = "write one row of numbers per second, as CSV; report: read them"},
    {.name = "--report",
        .offset = OFFSET(report),
        .kind = OPTIONS_VALUE,
        .commands = RUN | COMPARE,
        .argument = "FILE",
        .help = "write an HTML report, in one file"},
    {.name = "--metrics-port",
        .offset = OFFSET(metrics_port),
        .kind = OPTIONS_VALUE,
        .commands = RUN,
        .argument = "[ADDRESS:]PORT",
        .help = "serve metrics to Prometheus, at /metrics"},
    {.name = "--metrics-linger",
        .offset = OFFSET(metrics_linger),
        .kind = OPTIONS_TIME,
        .commands = RUN,
        .argument = "TIME",
        .help = "keep --metrics-port open for this time after the end, for a last scrape"},
    {.name = "--dashboard-port",
        .offset = OFFSET(dashboard_port),
        .kind = OPTIONS_VALUE,
        .commands = RUN,
        .argument = "PORT",
        .help = "serve a live page of the run, on the loopback interface"},
    {.name = "--progress-interval",
        .offset = OFFSET(progress_interval),
        .kind = OPTIONS_TIME,
        .commands = RUN,
        .argument = "TIME",
        .help = "time between two lines of progress when stderr is not a terminal; default: 10s"},
    {.name = "--quiet",
        .short_name = "-q",
        .offset = OFFSET(quiet),
        .kind = OPTIONS_FLAG,
        .commands = ANY,
        .help = "only warnings, errors and the summary"},
    {.name = "--verbose",
        .short_name = "-v",
        .offset = OFFSET(verbose),
        .kind = OPTIONS_FLAG,
        .commands = ANY,
        .help = "verbose log"},
    {.name = "--no-color",
        .offset = OFFSET(no_color),
        .kind = OPTIONS_FLAG,
        .commands = ANY,
        .help = "no colors on a terminal"},
    {.name = "--log-format",
        .offset = OFFSET(log_format),
        .kind = OPTIONS_VALUE,
        .commands = ANY,
        .argument = "text|json",
        .help = "form of the log; default: text"},
    {.name = "--durability",
        .offset = OFFSET(durability),
        .kind = OPTIONS_FLAG,
        .commands = PLUGINS,
        .help = "plugins test: kill a writing process 200 times instead of 20"},
    {.name = "--case",
        .offset = OFFSET(test_case),
        .kind = OPTIONS_VALUE,
        .commands = PLUGINS,
        .argument = "TEXT",
        .help = "plugins test: run only the cases whose names contain this text"},
    {.name = "--language",
        .offset = OFFSET(language),
        .kind = OPTIONS_VALUE,
        .commands = PLUGINS,
        .argument = "c|c++",
        .help = "plugins new: the language of the plugin; default: c"},
    {.name = "--plugin-path",
        .offset = OFFSET(plugin_path),
        .kind = OPTIONS_LIST,
        .commands = ANY,
        .argument = "DIR",
        .help = "look for plugins in this folder first; repeatable"},
    {.name = "--debug",
        .offset = OFFSET(debug),
        .kind = OPTIONS_FLAG,
        .commands = ANY,
        .help = "for authors of plugins: allow core files and debuggers, which can read keys"},
    {.name = "--reveal",
        .offset = OFFSET(reveal),
        .kind = OPTIONS_FLAG,
        .commands = GLOB,
        .help = "glob get: print private keys too"},
    {.name = "--region",
        .offset = OFFSET(region),
        .kind = OPTIONS_VALUE,
        .commands = INIT,
        .argument = "REGION",
        .help = "init: the same as --set region=REGION"},
    {.name = "--profile",
        .offset = OFFSET(profile),
        .kind = OPTIONS_VALUE,
        .commands = INIT,
        .argument = "NAME",
        .help = "init: the same as --set profile=NAME"},
    {.name = "--devices",
        .offset = OFFSET(devices),
        .kind = OPTIONS_VALUE,
        .commands = INIT,
        .argument = "N",
        .help = "init: the same as --set devices=N"},
    {.name = "--force",
        .offset = OFFSET(force),
        .kind = OPTIONS_FLAG,
        .commands = INIT | IMPORT,
        .help = "init, import: overwrite existing files"},
    {.name = "--output",
        .short_name = "-o",
        .offset = OFFSET(output),
        .kind = OPTIONS_VALUE,
        .commands = IMPORT | REPORT | PLUGINS,
        .argument = "PATH",
        .help = "import: folder for the files; report: file, default: report.html; plugins: json"},
    {.name = "--version",
        .offset = OFFSET(version),
        .kind = OPTIONS_FLAG,
        .commands = ANY,
        .help = "print the versions of the program, its plugin ABI and all libraries"},
    {.name = "--help",
        .short_name = "-h",
        .offset = OFFSET(help),
        .kind = OPTIONS_FLAG,
        .commands = ANY,
        .help = "show this help"},
};
const size_t options_count = sizeof(options_table) / sizeof(options_table[0]);

const struct options_command options_commands[] = {
    {.command = COMMAND_RUN,
        .word = "",
        .synopsis = "[OPTIONS] JOB.yaml [PIPELINE…]",
        .help = "run pipelines of a job"},
    {.command = COMMAND_INIT,
        .word = "init",
        .synopsis = "[JOB.yaml]",
        .help = "ask for what a job needs, and write its file"},
    {.command = COMMAND_PLUGINS,
        .word = "plugins",
        .synopsis = "[NAME|test NAME|new KIND NAME]",
        .help = "list the plugins, or the settings of one; test one, or begin one"},
    {.command = COMMAND_SCHEMA,
        .word = "schema",
        .synopsis = "[job|template]",
        .help = "print the JSON Schema of job or template files"},
    {.command = COMMAND_IAM,
        .word = "iam-policy",
        .synopsis = "JOB.yaml",
        .help = "print the least IAM policy that the job needs"},
    {.command = COMMAND_GLOB,
        .word = "glob",
        .synopsis = "list|get|set|delete JOB.yaml [KEY]",
        .help = "print or change the job's key-value store"},
    {.command = COMMAND_IMPORT,
        .word = "import",
        .synopsis = "FILE.json",
        .help = "write a template and a job from a template that IoTIFY has exported"},
    {.command = COMMAND_REPORT,
        .word = "report",
        .synopsis = "SUMMARY.json",
        .help = "write the report of a run from its summary and series"},
    {.command = COMMAND_COMPARE,
        .word = "compare",
        .synopsis = "OLD.json NEW.json",
        .help = "print what changed between the summaries of two runs"},
};
const size_t options_command_count = sizeof(options_commands) / sizeof(options_commands[0]);

/* ------------------------------------------------------------------ help */

/* The column where the help of an option begins. */
#define INDENT 25

static void cli_print_option(FILE *stream, const struct options_entry *entry)
{
    int column = fprintf(stream, "  %s%s%s%s%s", entry->short_name ? entry->short_name : "",
        entry->short_name ? ", " : "", entry->name, entry->argument ? " " : "",
        entry->argument ? entry->argument : "");

    if (column >= INDENT) {
        fputc('\n', stream);
        column = 0;
    }
    fprintf(stream, "%*s", INDENT - column, "");
    wrap_print(stream, entry->help, INDENT, INDENT);
}

void options_print_help(FILE *stream)
{
    for (size_t i = 0; i < options_command_count; i++)
        fprintf(stream, "%s iotifyd %s%s%s\n", i ? "      " : "Usage:", options_commands[i].word,
            *options_commands[i].word ? " " : "", options_commands[i].synopsis);
    fputs(
        "\nProvisions simulated devices on AWS IoT, one certificate per device, runs a load test\n"
        "with them, and removes them. Without PIPELINE, the `run:` of the job file says which\n"
        "pipelines run; by default deploy, simulate, cleanup.\n\n",
        stream);
    for (size_t i = 0; i < options_count; i++)
        cli_print_option(stream, &options_table[i]);
    fputs("\nExit status:\n", stream);
    for (size_t i = 0; i < exit_code_count; i++)
        fprintf(stream, "  %-5s %s\n", exit_codes[i].code, exit_codes[i].meaning);
}

/* ------------------------------------------------------------------ parsing */

static const struct options_entry *cli_find_option(const char *argument, size_t length)
{
    for (size_t i = 0; i < options_count; i++) {
        if (strlen(options_table[i].name) == length &&
            strncmp(options_table[i].name, argument, length) == 0)
            return &options_table[i];
        if (options_table[i].short_name && strcmp(options_table[i].short_name, argument) == 0)
            return &options_table[i];
    }
    return NULL;
}

static bool cli_unknown_option(const char *argument)
{
    struct suggest suggest;

    suggest_init(&suggest, argument);
    for (size_t i = 0; i < options_count; i++)
        suggest_offer(&suggest, options_table[i].name);
    fprintf(stderr, "iotifyd: unknown option %s%s; see iotifyd --help\n", argument,
        suggest_hint(&suggest, ""));
    return false;
}

static bool cli_take_time(
    const struct options_entry *option, const char *value, int64_t *nanoseconds)
{
    if (value_parse_duration(value, nanoseconds) && *nanoseconds > 0)
        return true;
    fprintf(stderr, "iotifyd: %s takes a time such as 10s, not %s\n", option->name, value);
    return false;
}

/*
 * Parse the option at arguments[*at]; `*at` moves to its value, if that is separate. False after a
 * message.
 */
static bool cli_take_option(struct options *options, int count, char **arguments, int *at)
{
    const char *argument = arguments[*at];
    const char *equals = strchr(argument, '=');
    const struct options_entry *option =
        cli_find_option(argument, equals ? (size_t)(equals - argument) : strlen(argument));
    const char *value = equals ? equals + 1 : NULL;
    char *member;

    if (!option)
        return cli_unknown_option(argument);
    member = (char *)options + option->offset;
    if (option->kind == OPTIONS_FLAG) {
        if (equals) {
            fprintf(stderr, "iotifyd: %s takes no value\n", option->name);
            return false;
        }
        *(bool *)member = true;
        return true;
    }
    if (!value && *at + 1 < count)
        value = arguments[++*at];
    if (!value) {
        fprintf(stderr, "iotifyd: %s needs a value\n", option->name);
        return false;
    }
    if (option->kind == OPTIONS_TIME)
        return cli_take_time(option, value, (int64_t *)(void *)member);
    if (option->kind == OPTIONS_LIST) {
        struct options_list *list = (struct options_list *)(void *)member;

        list->items = memory_grow(list->items, list->count + 1, sizeof(*list->items));
        list->items[list->count++] = value;
    } else {
        *(const char **)(void *)member = value;
    }
    return true;
}

static const char *const command_names[] = {[COMMAND_RUN] = "a run",
    [COMMAND_INIT] = "init",
    [COMMAND_PLUGINS] = "plugins",
    [COMMAND_SCHEMA] = "schema",
    [COMMAND_GLOB] = "glob",
    [COMMAND_IAM] = "iam-policy",
    [COMMAND_IMPORT] = "import",
    [COMMAND_REPORT] = "report",
    [COMMAND_COMPARE] = "compare"};

static bool cli_was_given(const struct options *options, const struct options_entry *option)
{
    const char *member = (const char *)options + option->offset;

    switch (option->kind) {
    case OPTIONS_FLAG:
        return *(const bool *)member;
    case OPTIONS_TIME:
        return *(const int64_t *)(const void *)member > 0;
    case OPTIONS_LIST:
        return ((const struct options_list *)(const void *)member)->count > 0;
    case OPTIONS_VALUE:
        break;
    }
    return *(const char *const *)(const void *)member != NULL;
}

/* An option that the command does not use is an error. */
static bool cli_check_command(const struct options *options)
{
    for (size_t i = 0; i < options_count; i++) {
        if (!cli_was_given(options, &options_table[i]) ||
            (options_table[i].commands & OPTIONS_FOR(options->command)))
            continue;
        fprintf(stderr, "iotifyd: %s is not valid with %s; see iotifyd --help\n",
            options_table[i].name, command_names[options->command]);
        return false;
    }
    return true;
}

static void cli_find_command(struct options *options)
{
    for (size_t i = 0; options->word_count && i < options_command_count; i++) {
        if (strcmp(options->words[0], options_commands[i].word) == 0) {
            options->command = options_commands[i].command;
            options->word_count--;
            memmove(
                options->words, options->words + 1, options->word_count * sizeof(*options->words));
            return;
        }
    }
}

bool options_parse(struct options *options, int count, char **arguments)
{
    bool only_words = false;

    *options = (struct options){.argument_count = count, .arguments = arguments};
    options->words = memory_new((size_t)count, sizeof(*options->words));
    for (int i = 1; i < count; i++) {
        if (!only_words && strcmp(arguments[i], "--") == 0)
            only_words = true;
        else if (!only_words && arguments[i][0] == '-' && arguments[i][1]) {
            if (!cli_take_option(options, count, arguments, &i))
                return false;
        } else
            options->words[options->word_count++] = arguments[i];
    }
    if (options->log_format && strcmp(options->log_format, "text") != 0 &&
        strcmp(options->log_format, "json") != 0) {
        fprintf(stderr, "iotifyd: --log-format takes text or json, not %s\n", options->log_format);
        return false;
    }
    cli_find_command(options);
    return options->help || options->version || cli_check_command(options);
}

void options_clear(struct options *options)
{
    free(options->words);
    for (size_t i = 0; i < options_count; i++)
        if (options_table[i].kind == OPTIONS_LIST)
            free(((struct options_list *)(void *)((char *)options + options_table[i].offset))
                     ->items);
}
