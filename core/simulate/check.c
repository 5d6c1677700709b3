/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a simulate step that do not run it. */
#include "core/simulate/check.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/utf8.h"
#include "core/simulate/cause.h"
#include "core/simulate/limits.h"
#include "core/simulate/threshold.h"

/* The part of `path` after the job file's folder; a path elsewhere is unchanged. */
const char *check_shown(const struct job *job, const char *path)
{
    size_t length = strlen(job->directory);

    return strncmp(path, job->directory, length) == 0 && path[length] == '/' ? path + length + 1
                                                                             : path;
}

/* Do the paths name the same file? Compares the real paths of folders, which must exist. */
static bool check_same_file(const char *a, const char *b)
{
    char folders[2][PATH_MAX], copies[2][PATH_MAX];
    const char *paths[] = {a, b}, *names[2];

    if (strcmp(a, b) == 0)
        return true;
    for (size_t i = 0; i < 2; i++) {
        const char *slash = strrchr(paths[i], '/');

        names[i] = slash ? slash + 1 : paths[i];
        snprintf(copies[i], sizeof(copies[i]), "%.*s", slash ? (int)(slash - paths[i]) + 1 : 1,
            slash ? paths[i] : ".");
        if (!realpath(copies[i], folders[i]))
            return false;
    }
    return strcmp(names[0], names[1]) == 0 && strcmp(folders[0], folders[1]) == 0;
}

/* Does a step that runs before `until` write the file? */
static bool check_is_written(
    const struct pipeline *const *run, size_t count, const struct step *until, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < run[i]->count; j++) {
            const struct step *step = &run[i]->steps[j];

            if (step == until)
                return false;

            for (size_t k = 0; k < step->settings->count; k++) {
                struct iotify_setting setting = schema_setting(step->settings, k);
                const char *value;

                if (!(setting.flags & IOTIFY_FLAG_WRITES))
                    continue;
                value = *(const char *const *)(const void *)((const char *)step->options +
                                                             setting.offset);
                if (value && check_same_file(value, path))
                    return true;
            }
        }
    }
    return false;
}

static void check_thresholds(
    const struct step *step, const struct metric_names *names, struct diagnostics *diagnostics)
{
    const struct simulate_options *options = step->options;
    const struct node *list = schema_given(step->node, "thresholds");

    for (size_t i = 0; i < options->thresholds.count; i++) {
        const struct threshold_options *threshold = options->thresholds.rows[i];
        struct arena arena = {0};
        const char *wrong =
            threshold->expression ? threshold_check(&arena, threshold->expression, names) : NULL;

        if (wrong)
            diagnostics_add(diagnostics,
                list && list->kind == NODE_LIST && i < list->count ? list->items[i]->location
                                                                   : step->location,
                "%s", wrong);
        arena_clear(&arena);
    }
}

int64_t check_first_of(const struct job *job, const struct step *step)
{
    const struct simulate_options *options = step->options;

    return schema_given(step->node, "first") ? options->first : job->options->first;
}

int64_t check_clients_of(const struct job *job, const struct step *step)
{
    const struct simulate_options *options = step->options;
    int64_t first = check_first_of(job, step);

    return options->clients ? options->clients : job->options->first + job->options->count - first;
}

const char *check_run_settings(const struct job *job, const struct simulate_options *options,
    int64_t first, int64_t clients, int64_t iterations, struct arena *arena)
{
    static const char *const pacings[] = {"open", "closed"};
    json_t *object = json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:s, s:f, s:I}", "job",
        job->options->name, "template", check_shown(job, options->template), "clients",
        (json_int_t)clients, "first", (json_int_t)first, "iterations", (json_int_t)iterations,
        "interval", (double)options->interval / SECOND, "duration",
        (double)options->duration / SECOND, "jitter", (double)options->jitter / SECOND, "pacing",
        pacings[options->pacing], "connectRate", options->connect_rate, "seed",
        (json_int_t)options->seed);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    const char *copy = arena_string(arena, text ? text : "{}");

    json_decref(object);
    free(text);
    return copy;
}

/* The largest number of clients that are connected at the same time. */
static int64_t check_most_at_once(const struct job *job, const struct step *step)
{
    const struct simulate_options *options = step->options;
    int64_t all = check_clients_of(job, step), most = 0;

    for (size_t i = 0; i < options->stages.count; i++) {
        const struct simulate_stage *stage = options->stages.rows[i];

        /* A first stage without `clients` has all of them. */
        if (stage->clients < 0 && i == 0)
            return all;
        if (stage->clients > most)
            most = stage->clients;
    }
    return options->stages.count ? most : all;
}

static void check_stages(
    const struct job *job, const struct step *step, struct diagnostics *diagnostics)
{
    const struct simulate_options *options = step->options;
    const struct node *list = schema_given(step->node, "stages");
    const struct node *duration = schema_given(step->node, "duration");

    if (options->stages.count && options->duration)
        diagnostics_add(diagnostics, duration ? duration->location : step->location,
            "\"duration\" and \"stages\" exclude each other: the stages have durations");
    if (list && list->kind == NODE_LIST && options->stages.count == 0)
        diagnostics_add(diagnostics, list->location, "\"stages\" has no stage in it");
    for (size_t i = 0; i < options->stages.count; i++) {
        const struct simulate_stage *stage = options->stages.rows[i];
        struct location location = list && list->kind == NODE_LIST && i < list->count
                                       ? list->items[i]->location
                                       : step->location;

        if (stage->clients >= 0 && stage->rate > 0)
            diagnostics_add(
                diagnostics, location, "a stage changes \"clients\" or \"rate\", not both at once");
        if (job->valid && stage->clients > check_clients_of(job, step))
            diagnostics_add(diagnostics, location,
                "the stage needs %lld clients, but only %lld take part", (long long)stage->clients,
                (long long)check_clients_of(job, step));
    }
}

/* Warn of stages for which connect_rate connects too few clients. */
static void check_reach(const struct job *job, const struct step *step)
{
    const struct simulate_options *options = step->options;
    double connected = 0, wanted = 0;

    for (size_t i = 0; i < options->stages.count; i++) {
        const struct simulate_stage *stage = options->stages.rows[i];

        if (stage->clients >= 0)
            wanted = (double)stage->clients;
        else if (i == 0)
            wanted = (double)check_clients_of(job, step);
        connected += options->connect_rate * (double)stage->duration / SECOND;
        if (connected < wanted)
            log_write(IOTIFY_LOG_WARNING, step->name,
                "stage %zu%s%s: connect_rate lets %.0f of %.0f clients connect until its end; set "
                "connect_rate or duration higher",
                i + 1, stage->name ? ": " : "", stage->name ? stage->name : "", connected, wanted);
        connected = connected < wanted ? connected : wanted;
    }
    wanted = (double)check_clients_of(job, step);
    connected = options->connect_rate * (double)options->duration / SECOND;
    if (options->duration && !options->stages.count && connected < wanted)
        log_write(IOTIFY_LOG_WARNING, step->name,
            "connect_rate lets %.0f of %.0f clients connect within duration; set connect_rate or "
            "duration higher",
            connected, wanted);
}

static void check_clients(
    const struct job *job, const struct step *step, struct diagnostics *diagnostics)
{
    const struct simulate_options *options = step->options;
    const struct node *given = schema_given(step->node, "clients");
    int64_t first = check_first_of(job, step);
    int64_t end = job->options->first + job->options->count;

    if (!given)
        given = schema_given(step->node, "first");
    if (first < job->options->first || first >= end || first + options->clients > end)
        diagnostics_add(diagnostics, given ? given->location : step->location,
            "the job has the clients %lld to %lld; \"first\" and \"clients\" go beyond them",
            (long long)job->options->first, (long long)end - 1);
}

/* Names are printed, and are labels of metrics. */
static void check_name(
    const struct step *step, const char *setting, const char *name, struct diagnostics *diagnostics)
{
    const struct node *given = schema_given(step->node, setting);

    if (name && !utf8_is_name(name))
        diagnostics_add(diagnostics, given ? given->location : step->location,
            "\"%s\": a name has 1 to %d bytes, without control characters", setting, UTF8_NAME_MAX);
}

static void check_names(const struct step *step, struct diagnostics *diagnostics)
{
    const struct simulate_options *options = step->options;

    check_name(step, "name", options->name, diagnostics);
    for (size_t i = 0; i < options->stages.count; i++) {
        const struct simulate_stage *stage = options->stages.rows[i];

        check_name(step, "stages", stage->name, diagnostics);
    }
}

static void check_verify(
    const struct step *step, const struct template_file *template, struct diagnostics *diagnostics)
{
    const struct simulate_options *options = step->options;
    const struct node *given = schema_given(step->node, "verify");

    if (options->verify == VERIFY_END_TO_END && template->transport &&
        template->subscription_count == 0)
        diagnostics_add(diagnostics, given ? given->location : step->location,
            "\"verify: end_to_end\" needs subscriptions by which messages come back to their "
            "client; the template %s has none",
            template->file);
}

/* Of clients with the same id, a broker keeps the last one connected. */
static void check_client_id(const struct job *job, const struct step *step,
    const struct template_file *template, struct diagnostics *diagnostics)
{
    const struct iotify_settings *settings;
    struct iotify_setting setting, shared;
    const struct node *given;

    if (!job->valid || !template->transport || check_clients_of(job, step) < 2)
        return;
    settings = template->transport->plugin->transport.connection;
    if (!schema_find_role(settings, IOTIFY_ROLE_CLIENT_ID, IOTIFY_TYPE_STRING, &setting))
        return;
    given = schema_given(template->connection_node, setting.name);
    if (!given || given->kind != NODE_SCALAR || strstr(given->text, "{{"))
        return;
    if (schema_find_role(settings, IOTIFY_ROLE_SHARED_ID, IOTIFY_TYPE_BOOLEAN, &shared) &&
        *(const bool *)(const void *)((const char *)template->connection + shared.offset))
        return;
    diagnostics_add(diagnostics, given->location,
        "\"%s\" is the same for all %lld clients, and a broker keeps only one of them connected; "
        "put {{client()}} into it, or set shared_client_id: true",
        setting.name, (long long)check_clients_of(job, step));
}

static void check_rows(const struct job *job, const struct step *step,
    const struct template_file *template, struct diagnostics *diagnostics)
{
    int64_t last = check_first_of(job, step) + check_clients_of(job, step) - 1;

    if (job->valid && template->data && template->rows <= last)
        diagnostics_add(diagnostics, template->data_location,
            "%s has %lld rows, and client %lld takes part: each client has a row, from 0 on",
            check_shown(job, template->data), (long long)template->rows, (long long)last);
}

/* What the template has, and its transport cannot do. */
static void check_capabilities(const struct step *step, const struct template_file *template)
{
    const struct plugin *plugin = template->transport->plugin;
    uint32_t capabilities = plugin->transport.capabilities;

    if (template->cannot_subscribe)
        log_write(IOTIFY_LOG_WARNING, step->name,
            "%s: the transport %s has no subscriptions; \"subscribe\" is left out", template->file,
            plugin->name);
    if (template->code[SCRIPT_RESPONSE].text &&
        !(capabilities & (IOTIFY_CAPABILITY_SUBSCRIBE | IOTIFY_CAPABILITY_ANSWER)))
        log_write(IOTIFY_LOG_WARNING, step->name,
            "%s: the transport %s receives no messages; \"response\" is never called",
            template->file, plugin->name);
}

/* Warn of loads that this machine or the step's own settings do not allow. */
static void check_machine(const struct job *job, const struct step *step)
{
    limits_check(step->name, check_most_at_once(job, step));
    check_reach(job, step);
}

void check_simulate(const struct job *job, const struct step *step,
    const struct pipeline *const *run, size_t run_count, struct diagnostics *diagnostics)
{
    const struct simulate_options *options = step->options;
    const struct node *given = schema_given(step->node, "template");
    const struct node *given_transport = schema_given(step->node, "transport");
    const char *name;
    struct template_file template = {0};
    /* A template that does not exist yet is taken to have no metrics of its own. */
    struct metric_names names = {0};

    if (job->valid)
        check_clients(job, step, diagnostics);
    check_names(step, diagnostics);
    check_stages(job, step, diagnostics);
    if (schema_given(step->node, "capture") && !options->capture_file)
        diagnostics_add(diagnostics, schema_given(step->node, "capture")->location,
            "\"capture\" needs the setting \"file\"");
    if (!options->template) {
        check_thresholds(step, &names, diagnostics);
        return;
    }
    name = arena_string(&diagnostics->arena, check_shown(job, options->template));
    if (access(options->template, F_OK) == 0) {
        if (template_load(
                &template, job, options->template, name, options->transport, diagnostics)) {
            metric_names_read(&names, &template.arena, &template);
            check_thresholds(step, &names, diagnostics);
            check_verify(step, &template, diagnostics);
            check_rows(job, step, &template, diagnostics);
            check_client_id(job, step, &template, diagnostics);
            if (job->valid && template.transport) {
                check_capabilities(step, &template);
                check_machine(job, step);
                cause_check(step, &template, check_first_of(job, step));
            }
        }
        template_clear(&template);
        return;
    }
    if (job->valid)
        check_machine(job, step);
    check_thresholds(step, &names, diagnostics);
    template_transport(job, options->transport ? options->transport : TEMPLATE_TRANSPORT,
        given_transport ? given_transport->location : step->location, &diagnostics->arena,
        diagnostics);
    /* An invalid pipeline may have the step that writes the template. */
    for (size_t i = 0; i < run_count; i++)
        if (!run[i]->valid)
            return;
    if (!check_is_written(run, run_count, step, options->template))
        diagnostics_add(diagnostics,
            given && given->location.line ? given->location : step->location,
            "the template %s does not exist, and no step before this one writes it; run deploy "
            "first",
            name);
}

size_t check_add_transport(const struct job *job, const struct step *step, struct arena *arena,
    const struct job_plugin **others, size_t count)
{
    const struct simulate_options *options = step->options;
    const struct job_plugin *transport;
    struct diagnostics unused = {0};

    if (!step->core || !step->valid)
        return count;
    transport = template_transport(job,
        options->transport ? options->transport : template_transport_name(arena, options->template),
        step->location, arena, &unused);
    diagnostics_clear(&unused);
    if (!transport || job_plugin(job, transport->alias))
        return count;
    for (size_t i = 0; i < count; i++)
        if (others[i]->plugin == transport->plugin)
            return count;
    others[count] = transport;
    return count + 1;
}
