/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/suggest.h"

const char options_help[] =
    "Usage: iotifyd [OPTIONS] JOB.yaml [PIPELINE…]\n"
    "       iotifyd init [JOB.yaml]\n"
    "       iotifyd plugins [NAME]\n"
    "       iotifyd schema [job|template]\n"
    "       iotifyd iam-policy JOB.yaml\n"
    "       iotifyd glob list|get|set|delete JOB.yaml [KEY]\n"
    "\n"
    "Provisions simulated devices on AWS IoT, one certificate per device, runs a load test with\n"
    "them, and removes them. Without PIPELINE, the `run:` of the job file says which pipelines "
    "run;\n"
    "by default deploy, simulate, cleanup.\n"
    "\n"
    "  --check            validate everything that can be known without a network call\n"
    "  --print            print the effective job: defaults filled in, secrets redacted\n"
    "  --plan             print what would be created, changed and deleted; change nothing\n"
    "  --preview          run init() and ten messages of one client without a network\n"
    "  --solo CLIENT      simulate one client, and print everything about it\n"
    "  --set PATH=VALUE   override a setting, for example --set devices=500; repeatable\n"
    "  --keep             do not run cleanup\n"
    "  --prune            deploy: remove devices that are no longer in the job\n"
    "  --from-aws         cleanup: by what AWS has of the job, not by the store; needs --yes\n"
    "  --yes              delete what --from-aws has found\n"
    "  --json FILE        write the summary as JSON; - is standard output\n"
    "  --series FILE      simulate: write one row of numbers per second, as CSV\n"
    "  --metrics-port [ADDRESS:]PORT\n"
    "                     simulate: serve metrics to Prometheus, at /metrics\n"
    "  -q, --quiet        only errors and the summary\n"
    "  -v, --verbose      verbose log\n"
    "  --no-color         no colors on a terminal\n"
    "  --log-format FORM  text (default) or json\n"
    "  --reveal           glob get: print private keys too\n"
    "  --version          print the versions of the program, its plugin ABI and all libraries\n"
    "  -h, --help         show this help\n"
    "\n"
    "init asks for what these do not say:\n"
    "  --region REGION    AWS region\n"
    "  --profile NAME     profile of the AWS credentials\n"
    "  --devices N        number of devices\n"
    "  --force            overwrite an existing file\n"
    "\n"
    "Exit status: 0 all done, 1 a step failed, 2 bad usage or job file, 99 a threshold was "
    "crossed,\n"
    "128 + signal: interrupted.\n";

struct cli_option {
    const char *name, *short_name;
    size_t offset;
    enum { FLAG, VALUE, LIST } kind;
    unsigned commands; /* bits of those that take it */
};

#define OFFSET(member) offsetof(struct options, member)
#define FOR(command) (1u << (command))
#define RUN FOR(COMMAND_RUN)
#define INIT FOR(COMMAND_INIT)
#define JOB (RUN | FOR(COMMAND_GLOB) | FOR(COMMAND_IAM))
#define ANY (JOB | INIT | FOR(COMMAND_PLUGINS) | FOR(COMMAND_SCHEMA))
static const struct cli_option known[] = {
    {"--check", NULL, OFFSET(check), FLAG, RUN},
    {"--print", NULL, OFFSET(print), FLAG, RUN},
    {"--preview", NULL, OFFSET(preview), FLAG, RUN},
    {"--solo", NULL, OFFSET(solo), VALUE, RUN},
    {"--keep", NULL, OFFSET(keep), FLAG, RUN},
    {"--plan", NULL, OFFSET(plan), FLAG, RUN},
    {"--prune", NULL, OFFSET(prune), FLAG, RUN},
    {"--from-aws", NULL, OFFSET(from_aws), FLAG, RUN},
    {"--yes", NULL, OFFSET(yes), FLAG, RUN},
    {"--quiet", "-q", OFFSET(quiet), FLAG, ANY},
    {"--verbose", "-v", OFFSET(verbose), FLAG, ANY},
    {"--no-color", NULL, OFFSET(no_color), FLAG, ANY},
    {"--version", NULL, OFFSET(version), FLAG, ANY},
    {"--help", "-h", OFFSET(help), FLAG, ANY},
    {"--reveal", NULL, OFFSET(reveal), FLAG, FOR(COMMAND_GLOB)},
    {"--force", NULL, OFFSET(force), FLAG, INIT},
    {"--set", NULL, OFFSET(overrides), LIST, JOB},
    {"--json", NULL, OFFSET(json), VALUE, RUN},
    {"--series", NULL, OFFSET(series), VALUE, RUN},
    {"--metrics-port", NULL, OFFSET(metrics_port), VALUE, RUN},
    {"--log-format", NULL, OFFSET(log_format), VALUE, ANY},
    {"--region", NULL, OFFSET(region), VALUE, INIT},
    {"--profile", NULL, OFFSET(profile), VALUE, INIT},
    {"--devices", NULL, OFFSET(devices), VALUE, INIT},
};

static const struct {
    const char *word;
    enum command command;
} commands[] = {{"init", COMMAND_INIT}, {"plugins", COMMAND_PLUGINS}, {"schema", COMMAND_SCHEMA},
    {"glob", COMMAND_GLOB}, {"iam-policy", COMMAND_IAM}};

static const struct cli_option *cli_find_option(const char *argument, size_t length)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i].name) == length && strncmp(known[i].name, argument, length) == 0)
            return &known[i];
        if (known[i].short_name && strcmp(known[i].short_name, argument) == 0)
            return &known[i];
    }
    return NULL;
}

static bool cli_unknown_option(const char *argument)
{
    struct suggest suggest;

    suggest_init(&suggest, argument);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        suggest_offer(&suggest, known[i].name);
    fprintf(stderr, "iotifyd: unknown option %s%s; see iotifyd --help\n", argument,
        suggest_hint(&suggest, ""));
    return false;
}

/* One option at arguments[*at]; moves past its value. */
static bool cli_take_option(struct options *options, int count, char **arguments, int *at)
{
    const char *argument = arguments[*at];
    const char *equals = strchr(argument, '=');
    const struct cli_option *option =
        cli_find_option(argument, equals ? (size_t)(equals - argument) : strlen(argument));
    const char *value = equals ? equals + 1 : NULL;
    char *member;

    if (!option)
        return cli_unknown_option(argument);
    member = (char *)options + option->offset;
    if (option->kind == FLAG) {
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
    if (option->kind == LIST)
        options->overrides[options->override_count++] = value;
    else
        *(const char **)(void *)member = value;
    return true;
}

static const char *const command_names[] = {[COMMAND_RUN] = "a run",
    [COMMAND_INIT] = "init",
    [COMMAND_PLUGINS] = "plugins",
    [COMMAND_SCHEMA] = "schema",
    [COMMAND_GLOB] = "glob",
    [COMMAND_IAM] = "iam-policy"};

static bool cli_was_given(const struct options *options, const struct cli_option *option)
{
    const char *member = (const char *)options + option->offset;

    switch (option->kind) {
    case FLAG:
        return *(const bool *)member;
    case LIST:
        return options->override_count > 0;
    case VALUE:
        break;
    }
    return *(const char *const *)(const void *)member != NULL;
}

/* An option that the command does not look at is a mistake, not something to pass over. */
static bool cli_check_command(const struct options *options)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!cli_was_given(options, &known[i]) || (known[i].commands & FOR(options->command)))
            continue;
        fprintf(stderr, "iotifyd: %s is not valid with %s; see iotifyd --help\n", known[i].name,
            command_names[options->command]);
        return false;
    }
    return true;
}

static void cli_find_command(struct options *options)
{
    for (size_t i = 0; options->word_count && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(options->words[0], commands[i].word) == 0) {
            options->command = commands[i].command;
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
    options->overrides = memory_new((size_t)count, sizeof(*options->overrides));
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
    free(options->overrides);
}
