/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/stop.h"
#include "core/base/value.h"
#include "core/cli/iam_policy.h"
#include "core/cli/load.h"
#include "core/settings/schema.h"
#include "core/simulate/threshold.h"

#define ANSWER_MAX 128
#define SETTINGS_MAX 32

struct init_setting {
    const char *name;
    bool quoted; /* in the job file */
    char value[ANSWER_MAX];
};

struct init_answers {
    const struct plugin *connector;
    char file[4096], devices[ANSWER_MAX];
    struct init_setting settings[SETTINGS_MAX]; /* of the connector */
    size_t count;
};

/* What the command line says of a setting; NULL: nothing. */
static const char *init_given(const struct options *options, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < options->overrides.count; i++)
        if (strncmp(options->overrides.items[i], name, length) == 0 &&
            options->overrides.items[i][length] == '=')
            return options->overrides.items[i] + length + 1;
    return strcmp(name, "region") == 0    ? options->region
           : strcmp(name, "profile") == 0 ? options->profile
           : strcmp(name, "devices") == 0 ? options->devices
                                          : NULL;
}

/* Ask on the terminal; elsewhere the default is the answer. False after a message: none. */
static bool init_ask(const char *question, const char *fallback, char *answer)
{
    char line[ANSWER_MAX];
    size_t length;

    snprintf(answer, ANSWER_MAX, "%s", fallback);
    if (!isatty(STDIN_FILENO))
        return true;
    fprintf(stderr, "%s%s%s%s: ", question, *fallback ? " [" : "", fallback, *fallback ? "]" : "");
    fflush(stderr);
    if (!fgets(line, sizeof(line), stdin)) {
        fprintf(stderr, "\niotifyd: no answer; nothing was written\n");
        return false;
    }
    length = strcspn(line, "\r\n");
    line[length] = '\0';
    if (length)
        memcpy(answer, line, length + 1);
    return true;
}

/* Letters that mean the same in a job file with and without quotes. */
static bool init_valid_word(const char *text)
{
    return text[strspn(text,
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:/+ -")] == '\0';
}

/* ------------------------------------------------------------------ the connector */

struct init_choice {
    struct registry *registry;
    struct arena arena;
    const char *names; /* those that ask for something */
    const struct plugin *first;
};

static bool init_asks(const struct plugin *plugin)
{
    for (size_t i = 0; i < plugin->descriptor.settings->count; i++)
        if (schema_setting(plugin->descriptor.settings, i).flags & IOTIFY_FLAG_ASK)
            return true;
    return false;
}

static void init_offer_connector(void *argument, const char *name)
{
    struct init_choice *choice = argument;
    const struct plugin *plugin;
    const char *text;

    if (registry_load(choice->registry, name, &plugin, &text) != REGISTRY_OK ||
        plugin->descriptor.kind != IOTIFY_KIND_CONNECTOR || !init_asks(plugin))
        return;
    choice->names = choice->first ? arena_format(&choice->arena, "%s, %s", choice->names, name)
                                  : arena_string(&choice->arena, name);
    if (!choice->first)
        choice->first = plugin;
}

/* The connector that --set use=NAME names, else one of those that ask for something. */
static const struct plugin *init_choose_connector(
    const struct options *options, struct registry *registry)
{
    struct init_choice choice = {.registry = registry};
    const char *given = init_given(options, "use"), *text = "no connector is installed";
    const struct plugin *plugin = NULL;
    char name[ANSWER_MAX] = "";
    bool answered = true;

    if (given)
        snprintf(name, sizeof(name), "%s", given);
    else
        registry_list(registry, init_offer_connector, &choice);
    if (choice.first)
        answered = strcmp(choice.names, choice.first->name) == 0
                       ? snprintf(name, sizeof(name), "%s", choice.first->name) > 0
                       : init_ask(arena_format(&choice.arena, "Connector (%s)", choice.names),
                             choice.first->name, name);
    arena_clear(&choice.arena);
    if (!answered)
        return NULL;
    if (*name && registry_load(registry, name, &plugin, &text) == REGISTRY_OK &&
        plugin->descriptor.kind == IOTIFY_KIND_CONNECTOR)
        return plugin;
    if (plugin)
        fprintf(stderr, "iotifyd: \"%s\" is a %s plugin, not a connector\n", name,
            plugin_kind_name(plugin->descriptor.kind));
    else
        fprintf(stderr, "iotifyd: %s\n", text);
    return NULL;
}

/* ------------------------------------------------------------------ questions */

static bool init_gather_setting(const struct options *options, struct init_answers *answers,
    const struct iotify_setting *setting)
{
    struct init_setting *item = &answers->settings[answers->count];
    const char *given = init_given(options, setting->name);
    char question[256];

    if ((!given && !(setting->flags & IOTIFY_FLAG_ASK)) || answers->count == SETTINGS_MAX)
        return true;
    snprintf(question, sizeof(question), "%s (%s)", setting->name, setting->help);
    if (given)
        snprintf(item->value, sizeof(item->value), "%s", given);
    else if (!init_ask(question, setting->value ? setting->value : "", item->value))
        return false;
    if (!init_valid_word(item->value)) {
        fprintf(stderr, "iotifyd: invalid %s \"%s\"\n", setting->name, item->value);
        return false;
    }
    item->name = setting->name;
    item->quoted = setting->type == IOTIFY_TYPE_STRING || setting->type == IOTIFY_TYPE_SECRET;
    answers->count += *item->value != '\0';
    return true;
}

/* Everything that --set names must be a setting of the connector. */
static bool init_check_given(const struct options *options, const struct plugin *connector)
{
    for (size_t i = 0; i < options->overrides.count; i++) {
        const char *item = options->overrides.items[i];
        size_t length = strcspn(item, "=");
        bool known = item[length] == '=' &&
                     (strncmp(item, "use=", 4) == 0 || strncmp(item, "devices=", 8) == 0);

        for (size_t j = 0; j < connector->descriptor.settings->count && !known; j++) {
            const char *name = schema_setting(connector->descriptor.settings, j).name;

            known = item[length] == '=' && strlen(name) == length &&
                    strncmp(item, name, length) == 0 && !strchr(name, '.');
        }
        if (known)
            continue;
        fprintf(stderr,
            "iotifyd: --set %s: expected NAME=VALUE with a setting of %s, or devices=N\n", item,
            connector->name);
        return false;
    }
    return true;
}

static bool init_gather(
    const struct options *options, struct registry *registry, struct init_answers *answers)
{
    const char *given = init_given(options, "devices");
    int64_t count;

    answers->connector = init_choose_connector(options, registry);
    if (!answers->connector || !init_check_given(options, answers->connector))
        return false;
    for (size_t i = 0; i < answers->connector->descriptor.settings->count; i++) {
        const struct iotify_setting setting =
            schema_setting(answers->connector->descriptor.settings, i);

        if (!init_gather_setting(options, answers, &setting))
            return false;
    }
    if (given)
        snprintf(answers->devices, sizeof(answers->devices), "%s", given);
    else if (!init_ask("Number of devices", "100", answers->devices))
        return false;
    if (!value_parse_integer(answers->devices, &count) || count < 1 || count > VALUE_DEVICES_MAX) {
        fprintf(stderr, "iotifyd: invalid number of devices \"%s\" (expected 1 to %d)\n",
            answers->devices, VALUE_DEVICES_MAX);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ the file */

/* The connector's own step, with the thresholds written out. */
static void init_write_simulate(FILE *stream, const char *settings)
{
    struct diagnostics diagnostics = {0};
    struct arena arena = {0};
    const struct node *map = tree_parse_text(&arena, &diagnostics, "simulate", settings);

    fprintf(stream, "pipelines:\n  simulate:\n    - simulate:\n");
    for (size_t i = 0; map && map->kind == NODE_MAP && i < map->count; i++)
        if (map->pairs[i].value->kind == NODE_SCALAR)
            fprintf(stream, "        %s: %s\n", map->pairs[i].key->text, map->pairs[i].value->text);
    fprintf(stream, "        # The run fails when one of these does not hold.\n"
                    "        thresholds:\n");
    for (size_t i = 0; i < threshold_default_count; i++)
        fprintf(stream, "          - %s\n", threshold_defaults[i]);
    diagnostics_clear(&diagnostics);
    arena_clear(&arena);
}

static void init_write_job(FILE *stream, const struct init_answers *answers)
{
    const struct plugin *connector = answers->connector;

    fprintf(stream, "# Run it:   iotifyd %s\n# Check it: iotifyd --check %s\n", answers->file,
        answers->file);
    /* The first word of the name: aws for aws-iot. */
    fprintf(stream, "devices: %s\nplugins:\n  %.*s:\n    use: %s\n", answers->devices,
        (int)strcspn(connector->name, "-_"), connector->name, connector->name);
    for (size_t i = 0; i < answers->count; i++) {
        const char *quote = answers->settings[i].quoted ? "\"" : "";

        fprintf(stream, "    %s: %s%s%s\n", answers->settings[i].name, quote,
            answers->settings[i].value, quote);
    }
    for (uint32_t i = 0; i < connector->descriptor.default_step_count; i++)
        if (strcmp(connector->default_steps[i].step, "simulate") == 0)
            init_write_simulate(stream, connector->default_steps[i].settings);
}

/* Write a temporary file first, so that the job file is never incomplete or missing. */
static bool init_write_file(const struct init_answers *answers, bool force)
{
    char temporary[sizeof(answers->file) + 16];
    int descriptor;
    FILE *stream;
    bool good;

    snprintf(temporary, sizeof(temporary), "%s.writing", answers->file);
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    stream = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    good = stream != NULL;
    if (stream) {
        init_write_job(stream, answers);
        good = fflush(stream) == 0 && fsync(descriptor) == 0;
        good = fclose(stream) == 0 && good;
    }
    good = good && (force ? rename(temporary, answers->file) : link(temporary, answers->file)) == 0;
    if (!good)
        fprintf(stderr, "iotifyd: cannot write %s: %s%s\n", answers->file, strerror(errno),
            errno == EEXIST ? "; add --force to overwrite it" : "");
    if (descriptor >= 0)
        unlink(temporary);
    return good;
}

/* Check the file name before any question. False after a message. */
static bool init_check_file(const struct init_answers *answers, bool force)
{
    struct arena arena = {0};
    bool named = job_valid_name(job_default_name(&arena, answers->file));

    arena_clear(&arena);
    if (!named)
        fprintf(stderr,
            "iotifyd: \"%s\": the file's name becomes the job's, which takes letters, digits and "
            "._- ; choose another one\n",
            answers->file);
    if (!named || force || access(answers->file, F_OK) != 0)
        return named;
    fprintf(stderr, "iotifyd: %s already exists; add --force to overwrite it\n", answers->file);
    return false;
}

/* Read the new file as a run would, and print the policy for the job. */
static int init_check_job(const struct options *options, const struct init_answers *answers)
{
    struct options plain = *options;
    struct diagnostics diagnostics = {0};
    struct registry registry;
    struct job job;
    int status;

    plain.overrides = (struct options_list){0};
    status = load_job(answers->file, &plain, &registry, &job, &diagnostics);
    if (status == EXIT_DONE) {
        fprintf(stderr, "wrote %s; next: iotifyd --check %s\n", answers->file, answers->file);
        if (answers->connector->connector.grant) {
            fprintf(stderr, "The policy that the job needs, to paste into the console:\n");
            status = iam_policy_print(&job) ? EXIT_DONE : EXIT_STEP_FAILED;
        }
    } else if (!options->force) {
        unlink(answers->file);
        fprintf(stderr, "iotifyd: nothing was written\n");
    }
    job_clear(&job);
    registry_clear(&registry);
    diagnostics_clear(&diagnostics);
    return status;
}

int command_init(const struct options *options)
{
    struct init_answers answers = {0};
    struct registry registry;
    int status;

    if (options->word_count > 1) {
        fprintf(stderr, "iotifyd: init takes one file at most\n");
        return EXIT_USAGE;
    }
    snprintf(answers.file, sizeof(answers.file), "%s",
        options->word_count ? options->words[0] : "job.yaml");
    if (!init_check_file(&answers, options->force))
        return EXIT_STEP_FAILED;
    registry_init(&registry);
    if (!init_gather(options, &registry, &answers))
        status = stop_requested() ? 128 + stop_requested() : EXIT_USAGE;
    else
        status = init_write_file(&answers, options->force) ? init_check_job(options, &answers)
                                                           : EXIT_STEP_FAILED;
    registry_clear(&registry);
    return status;
}
