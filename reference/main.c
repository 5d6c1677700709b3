/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes docs/reference, the manual pages and the shell completions from the tables of the
 * program, the plugins and the sandbox:
 *
 *     iotify-reference MARKDOWN-FOLDER MANUAL-FOLDER COMPLETION-FOLDER
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/exit_code.h"
#include "core/cli/load.h"
#include "core/cli/options.h"
#include "core/job/job.h"
#include "core/output/metrics.h"
#include "core/plugin/registry.h"
#include "core/report/series.h"
#include "core/simulate/threshold.h"
#include "core/template/template.h"
#include "reference/completion.h"
#include "reference/page.h"
#include "reference/summary_members.h"
#include "sandbox/options.h"

#define OPTIONS_MAX 64

static const char *const reference_headings_option[3] = {"Option", NULL, "Meaning"};
static const char *const reference_headings_variable[3] = {"Variable", NULL, "Meaning"};
static const char *const reference_headings_key[3] = {"Key", "Type", "Meaning"};
static const char *const reference_headings_name[3] = {"Name", "Kind", "Meaning"};

static const char reference_about_values[] =
    "Durations are written `250ms`, `10s`, `5m`, `2h`; rates `200/s` or `30/m`; sizes `128KB` or "
    "`4MiB`; shares `30%` or `0.3`. A setting that is left out, empty or null has its default.";

/* ------------------------------------------------------------------ the command line */

static void reference_write_exit_codes(struct page *page)
{
    page_begin_table(page, (const char *const[3]){"Status", NULL, "Meaning"});
    for (size_t i = 0; i < exit_code_count; i++)
        page_row(page, exit_codes[i].code, NULL, exit_codes[i].meaning);
    page_end_table(page);
}

/* A row such as "-q, --quiet" or "--set PATH=VALUE"; `short_name` and `argument` may be NULL. */
static void reference_write_option(struct page *page, const char *name, const char *short_name,
    const char *argument, const char *help)
{
    char whole[64];

    snprintf(whole, sizeof(whole), "%s%s%s%s%s", short_name ? short_name : "",
        short_name ? ", " : "", name, argument ? " " : "", argument ? argument : "");
    page_row(page, whole, NULL, help);
}

static void reference_write_options(struct page *page)
{
    page_begin_table(page, reference_headings_option);
    for (size_t i = 0; i < options_count; i++) {
        const struct options_entry *entry = &options_table[i];

        reference_write_option(page, entry->name, entry->short_name, entry->argument, entry->help);
    }
    page_end_table(page);
}

static void reference_write_command_line(enum page_form form, const char *folder)
{
    struct page page = page_open(form, folder, form == PAGE_MANUAL ? "iotifyd" : "command-line", 1,
        "provision simulated devices on AWS IoT, run a load test with them, remove them");

    page_heading(&page, form == PAGE_MANUAL ? "SYNOPSIS" : "Commands");
    page_begin_table(&page, (const char *const[3]){"Command", NULL, "Meaning"});
    for (size_t i = 0; i < options_command_count; i++) {
        char text[128];

        snprintf(text, sizeof(text), "iotifyd %s%s%s", options_commands[i].word,
            *options_commands[i].word ? " " : "", options_commands[i].synopsis);
        page_row(&page, text, NULL, options_commands[i].help);
    }
    page_end_table(&page);
    if (form == PAGE_MANUAL)
        page_heading(&page, "DESCRIPTION");
    page_text(&page,
        "Options may follow the file. Without PIPELINE, the `run:` of the job file says which "
        "pipelines run. Results go to standard output, the log to standard error.");
    page_heading(&page, form == PAGE_MANUAL ? "OPTIONS" : "Options");
    reference_write_options(&page);
    page_heading(&page, form == PAGE_MANUAL ? "EXIT STATUS" : "Exit status");
    reference_write_exit_codes(&page);
    page_heading(&page, form == PAGE_MANUAL ? "ENVIRONMENT" : "Environment");
    page_begin_table(&page, reference_headings_variable);
    page_row(&page, "IOTIFY_PLUGIN_PATH", NULL,
        "folders with plugins, joined by colons, before those that are installed");
    page_row(&page, "IOTIFY_PLUGIN_CHECKS", NULL,
        "`strict`: also check of plugins what is too dear for every run");
    page_row(&page, SEAL_KEY_VARIABLE, NULL, "the key of `seal: {with: environment}`");
    page_row(&page, SEAL_PASSPHRASE_VARIABLE, NULL, "the passphrase of `seal: {with: passphrase}`");
    page_row(&page, "AWS_…", NULL, "credentials, region, profile and endpoints, as for AWS's SDKs");
    page_row(&page, "NO_COLOR", NULL, "no colors on a terminal");
    page_end_table(&page);
    page_close(&page);
}

/* ------------------------------------------------------------------ the job file */

static void reference_write_plugin_steps(struct page *page, const struct plugin *plugin)
{
    for (uint32_t i = 0; i < plugin->descriptor.action_count; i++) {
        char text[256];

        snprintf(text, sizeof(text), "Step ALIAS.%s: %s", plugin->actions[i].name,
            plugin->actions[i].summary);
        page_subheading(page, text);
        if (plugin->actions[i].settings->count == 0)
            page_text(page, "It has no settings.");
        page_settings(page, plugin->actions[i].settings);
    }
}

/* The pipelines that a job has without writing them, as a job file would hold them. */
static void reference_write_default_pipelines(struct page *page, const struct plugin *plugin)
{
    const char *pipeline = "";
    struct iotify_buffer text;

    iotify_buffer_init(&text, 1 << 16);
    for (uint32_t i = 0; i < plugin->descriptor.default_step_count; i++) {
        const struct iotify_default_step *step = &plugin->default_steps[i];

        if (strcmp(pipeline, step->pipeline) != 0)
            iotify_buffer_format(&text, "%s:\n", step->pipeline);
        pipeline = step->pipeline;
        iotify_buffer_format(
            &text, "  - %s%s: %s\n", *step->step == '.' ? "ALIAS" : "", step->step, step->settings);
    }
    page_subheading(page, "Default pipelines");
    page_code(page, iotify_buffer_text(&text));
    iotify_buffer_clear(&text);
}

static void reference_write_plugin(void *argument, const char *name)
{
    struct page *page = argument;
    struct registry registry;
    const struct plugin *plugin;
    const char *text;
    char title[256];

    registry_init(&registry);
    if (registry_load(&registry, name, &plugin, &text) != REGISTRY_OK) {
        fprintf(stderr, "iotify-reference: %s\n", text);
        exit(1);
    }
    snprintf(title, sizeof(title), "%s (%s)", name, plugin_kind_name(plugin->descriptor.kind));
    page_heading(page, title);
    page_text(page, plugin->descriptor.summary);
    page_settings(page, plugin->descriptor.settings);
    reference_write_plugin_steps(page, plugin);
    if (plugin->descriptor.default_step_count)
        reference_write_default_pipelines(page, plugin);
    if (plugin->descriptor.kind == IOTIFY_KIND_TRANSPORT) {
        page_subheading(page, "Template, connection:");
        page_settings(page, plugin->transport.connection);
        page_subheading(page, "Template, publish:");
        page_settings(page, plugin->transport.publish);
    }
    registry_clear(&registry);
}

static void reference_write_all_plugins(struct page *page)
{
    struct registry registry;

    registry_init(&registry);
    registry_list(&registry, reference_write_plugin, page);
    registry_clear(&registry);
}

static void reference_write_job_file(enum page_form form, const char *folder)
{
    struct page page = page_open(form, folder, form == PAGE_MANUAL ? "iotify-job" : "job-file", 5,
        "the job file of iotifyd: devices, plugins and pipelines, in YAML");

    page_heading(&page, form == PAGE_MANUAL ? "EXAMPLE" : "Example");
    page_code(&page, "devices: 100\n"
                     "plugins:\n"
                     "  aws: {use: aws-iot, region: eu-central-1}\n"
                     "  glob: {use: sqlite, path: fleet.db}\n"
                     "pipelines:\n"
                     "  simulate:\n"
                     "    - simulate: {template: aws_iotify.yaml, interval: 1s, duration: 10m}\n"
                     "run: [deploy, simulate, cleanup]\n");
    page_heading(&page, form == PAGE_MANUAL ? "THE JOB" : "The job");
    page_settings(&page, &job_settings);
    page_begin_table(&page, reference_headings_key);
    for (size_t i = 0; i < job_key_count; i++)
        page_row(&page, job_keys[i].name, job_keys[i].type, job_keys[i].help);
    page_end_table(&page);
    page_text(&page,
        "`devices: 100` is short for `devices: {first: 0, count: 100}`. The alias `glob` is the "
        "job's key-value store; without it the job uses `sqlite`, with `glob: {use: memory}` it "
        "writes no file. A transport needs no entry unless its settings are changed.");
    page_heading(&page, form == PAGE_MANUAL ? "VALUES" : "Values");
    page_text(&page, reference_about_values);
    page_text(&page,
        "`${NAME}` is the environment variable NAME, `${NAME:-text}` has a default, `$${` is a "
        "literal `${`. Settings marked `expressions` may hold `{{ }}`, evaluated for each client; "
        "quote a value that begins with it.");
    for (size_t i = 0; i < load_core_step_count; i++) {
        char title[64];

        snprintf(title, sizeof(title), form == PAGE_MANUAL ? "STEP %s" : "Step %s",
            load_core_steps[i].name);
        page_heading(&page, title);
        page_text(&page, load_core_steps[i].summary);
        page_settings(&page, load_core_steps[i].settings);
    }
    if (form == PAGE_MANUAL)
        reference_write_all_plugins(&page);
    page_close(&page);
}

static void reference_write_plugins(const char *folder)
{
    struct page page = page_open(PAGE_MARKDOWN, folder, "plugins", 0,
        "the settings and steps of the plugins that come with iotifyd");

    page_text(
        &page, "The *glob* is the job's key-value store; what it is for: [store.md](../store.md).");
    reference_write_all_plugins(&page);
    page_close(&page);
}

/* ------------------------------------------------------------------ the template file */

static void reference_write_template_file(enum page_form form, const char *folder)
{
    struct page page =
        page_open(form, folder, form == PAGE_MANUAL ? "iotify-template" : "template-file", 5,
            "the template file of iotifyd: what a device connects with and does, in YAML");

    page_heading(&page, form == PAGE_MANUAL ? "EXAMPLE" : "Example");
    page_code(&page, "connection:\n"
                     "  host: localhost\n"
                     "  port: 1883\n"
                     "  tls: false\n"
                     "  client_id: \"sensor-{{client()}}\"\n"
                     "publish: {topic: \"sensors/{{client()}}\", qos: 1}\n"
                     "message: |\n"
                     "  return JSON.stringify({n: index()});\n");
    page_heading(&page, form == PAGE_MANUAL ? "KEYS" : "Keys");
    page_begin_table(&page, reference_headings_key);
    for (size_t i = 0; i < template_key_count; i++)
        page_row(&page, template_keys[i].name, template_keys[i].type, template_keys[i].help);
    page_end_table(&page);
    page_text(&page,
        form == PAGE_MANUAL
            ? "The settings of `connection` and `publish` are those of the transport; "
              "`iotifyd plugins mqtt` lists those of MQTT."
            : "The settings of `connection` and `publish` are those of the transport, for MQTT "
              "[these](plugins.md#mqtt-transport).");
    page_text(&page, reference_about_values);
    page_close(&page);
}

/* ------------------------------------------------------------------ results */

static void reference_write_series(struct page *page)
{
    struct iotify_buffer text;

    iotify_buffer_init(&text, 1 << 16);
    series_header(&text);
    page_text(page, "One row per second and step, and one at its end. Times are in seconds, counts "
                    "those of the period; an empty field was not measured. The columns:");
    page_code(page, iotify_buffer_text(&text));
    iotify_buffer_clear(&text);
    page_text(page, "Those that are neither counters nor times of the summary:");
    page_begin_table(page, reference_headings_name);
    for (size_t i = 0; i < series_column_count; i++)
        page_row(page, series_columns[i].name, "series", series_columns[i].meaning);
    page_end_table(page);
}

/* The lines `# HELP name text` and `# TYPE name kind` of a metrics page. */
static void reference_write_metrics(struct page *page)
{
    const struct tally empty = {0};
    const struct live live = {.last = &empty, .all = &empty};
    struct summary summary;
    struct iotify_buffer text;
    char *line, *rest = NULL, *copy;

    summary_init(&summary, "job");
    summary_begin_simulate(&summary, summary_add_step(&summary, "simulate", "simulate", "device"))
        ->present = true;
    iotify_buffer_init(&text, 1 << 20);
    metrics_write(&summary, &live, &text);
    summary_clear(&summary);
    copy = strdup(iotify_buffer_text(&text));
    page_begin_table(page, reference_headings_name);
    for (line = copy ? strtok_r(copy, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest)) {
        char name[128], help[256], kind[32];
        char *next;

        if (sscanf(line, "# HELP %127s %255[^\n]", name, help) != 2)
            continue;
        next = strtok_r(NULL, "\n", &rest);
        if (!next || sscanf(next, "# TYPE %*s %31s", kind) != 1)
            exit(1);
        page_row(page, name, kind, help);
    }
    page_end_table(page);
    free(copy);
    iotify_buffer_clear(&text);
}

static void reference_write_results(const char *folder)
{
    struct page page = page_open(PAGE_MARKDOWN, folder, "results", 0,
        "metrics, threshold names, the JSON summary, the series, Prometheus and exit codes");

    page_heading(&page, "Counters");
    page_begin_table(&page, reference_headings_name);
    for (size_t i = 0; i < TALLY_FINISHED; i++)
        page_row(&page, tally_counts[i].name, "counter", tally_counts[i].meaning);
    for (size_t i = 0; i < threshold_generator_count; i++)
        page_row(&page, threshold_generators[i].name, "generator", threshold_generators[i].meaning);
    page_end_table(&page);
    page_heading(&page, "Times");
    page_begin_table(&page, reference_headings_name);
    for (size_t i = 0; i < TALLY_TIMES; i++)
        page_row(&page, tally_times[i].name, "time", tally_times[i].meaning);
    page_end_table(&page);
    page_heading(&page, "Thresholds");
    page_text(&page,
        "A threshold is `METRIC < VALUE`, with `<`, `<=`, `>`, `>=`, `==` or `!=`. METRIC is a "
        "counter, or a time with `.p50`, `.p90`, `.p95`, `.p99`, `.p999` or `.max`, or a name that "
        "scripts give to `metric.add()`: alone or with `.sum` for the sum, or with `.count`, "
        "`.mean`, `.min` or `.max`. A time is compared with a duration such as `500ms`. A "
        "threshold "
        "on a value that was not measured does not hold.");
    page_heading(&page, "JSON summary");
    summary_members_write(&page);
    page_heading(&page, "Series");
    reference_write_series(&page);
    page_heading(&page, "Prometheus");
    reference_write_metrics(&page);
    page_heading(&page, "Exit status");
    reference_write_exit_codes(&page);
    page_close(&page);
}

/* ------------------------------------------------------------------ the sandbox */

static void reference_write_sandbox(enum page_form form, const char *folder)
{
    struct page page = page_open(
        form, folder, "iotify-sandbox", 1, "AWS IoT on this machine, for iotifyd and any client");

    page_heading(&page, form == PAGE_MANUAL ? "SYNOPSIS" : "Synopsis");
    page_code(&page, "iotify-sandbox [OPTIONS] [-- COMMAND…]\n");
    if (form == PAGE_MANUAL)
        page_heading(&page, "DESCRIPTION");
    page_text(&page,
        "With a COMMAND: start on free ports, run it with endpoints, credentials and region in its "
        "environment, and stop. Without one: run until interrupted.");
    page_heading(&page, form == PAGE_MANUAL ? "OPTIONS" : "Options");
    page_begin_table(&page, reference_headings_option);
    for (size_t i = 0; i < sandbox_options_count; i++) {
        const struct sandbox_options_entry *entry = &sandbox_options_table[i];

        reference_write_option(&page, entry->name, entry->short_name, entry->argument, entry->help);
    }
    page_end_table(&page);
    page_heading(&page, form == PAGE_MANUAL ? "EXIT STATUS" : "Exit status");
    page_text(&page,
        "That of COMMAND, or 128+N when a signal N ended it; without one 0 after SIGINT or "
        "SIGTERM. 1 when the sandbox cannot start or its broker ends, 2 for bad usage.");
    page_heading(&page, form == PAGE_MANUAL ? "ENVIRONMENT" : "Environment of COMMAND");
    page_begin_table(&page, reference_headings_variable);
    page_row(&page, "AWS_ENDPOINT_URL_…", NULL,
        "the sandbox, for IoT, its data plane, STS and Service Quotas");
    page_row(&page, "AWS_CA_BUNDLE", NULL, "the file of the sandbox's root certificate");
    page_row(&page, "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY", NULL, "the sandbox's key pair");
    page_row(&page, "AWS_REGION, AWS_DEFAULT_REGION", NULL,
        "as they are, or eu-central-1 when neither is set");
    page_row(&page, "IOTIFY_SANDBOX_API_PORT, …_MQTT_PORT, …_HTTPS_PORT", NULL,
        "the ports that the sandbox listens on");
    page_end_table(&page);
    page_close(&page);
}

/* ------------------------------------------------------------------ completions */

static void reference_write_completions(const char *folder)
{
    static const struct completion_word none[] = {{NULL, NULL}};
    struct completion_option options[OPTIONS_MAX];
    struct completion_word words[OPTIONS_MAX] = {{NULL, NULL}};
    struct completion completion = {.program = "iotifyd", .words = words, .options = options};

    for (size_t i = 0, count = 0; i < options_command_count; i++)
        if (*options_commands[i].word)
            words[count++] =
                (struct completion_word){options_commands[i].word, options_commands[i].synopsis};
    for (size_t i = 0; i < options_count && i < OPTIONS_MAX; i++, completion.count++)
        options[i] = (struct completion_option){options_table[i].name, options_table[i].short_name,
            options_table[i].argument, options_table[i].help};
    completion_write(&completion, folder);
    completion = (struct completion){
        .program = "iotify-sandbox", .words = none, .options = options, .count = 0};
    for (size_t i = 0; i < sandbox_options_count && i < OPTIONS_MAX; i++, completion.count++)
        options[i] = (struct completion_option){sandbox_options_table[i].name,
            sandbox_options_table[i].short_name, sandbox_options_table[i].argument,
            sandbox_options_table[i].help};
    completion_write(&completion, folder);
}

int main(int count, char **arguments)
{
    if (count != 4) {
        fprintf(
            stderr, "usage: iotify-reference MARKDOWN-FOLDER MANUAL-FOLDER COMPLETION-FOLDER\n");
        return 2;
    }
    for (int form = PAGE_MARKDOWN; form <= PAGE_MANUAL; form++) {
        const char *folder = arguments[form == PAGE_MARKDOWN ? 1 : 2];

        reference_write_command_line((enum page_form)form, folder);
        reference_write_job_file((enum page_form)form, folder);
        reference_write_template_file((enum page_form)form, folder);
        reference_write_sandbox((enum page_form)form, folder);
    }
    reference_write_plugins(arguments[1]);
    reference_write_results(arguments[1]);
    reference_write_completions(arguments[3]);
    return 0;
}
