/* SPDX-License-Identifier: Apache-2.0 */
#include "reference/summary_members.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/report/summary.h"

/* Members that no table of core/report explains. `*` stands for any name. */
static struct summary_member {
    const char *path, *meaning;
    bool found;
} summary_members[] = {
    {.path = "format", .meaning = "`iotify-summary/2`"},
    {.path = "job", .meaning = "name of the job"},
    {.path = "job_digest",
        .meaning = "SHA-256 of the effective job, as --print shows it: runs of the same job have "
                   "the same"},
    {.path = "version", .meaning = "version of iotifyd"},
    {.path = "run", .meaning = "identifies the run"},
    {.path = "started", .meaning = "when the run began, ISO 8601"},
    {.path = "ended", .meaning = "when it ended"},
    {.path = "seconds", .meaning = "how long it took"},
    {.path = "exit", .meaning = "the exit code"},
    {.path = "verdict", .meaning = "PASSED or FAILED, and why in words"},
    {.path = "machine.system", .meaning = "operating system of the generator, and its release"},
    {.path = "machine.cores", .meaning = "its cores"},
    {.path = "machine.memory", .meaning = "its memory, in bytes"},
    {.path = "steps[].pipeline", .meaning = "pipeline of the step"},
    {.path = "steps[].step", .meaning = "name of the step"},
    {.path = "steps[].name",
        .meaning =
            "the same, with a number if the pipeline has several; of a simulation its `name`"},
    {.path = "steps[].scope", .meaning = "`job` or `device`"},
    {.path = "steps[].total", .meaning = "what the step had to do: 1, or the number of devices"},
    {.path = "steps[].ok", .meaning = "how many were done"},
    {.path = "steps[].repaired",
        .meaning = "how many differed from their records and were repaired"},
    {.path = "steps[].failed", .meaning = "how many failed for good"},
    {.path = "steps[].started", .meaning = "when the step began"},
    {.path = "steps[].unchanged", .meaning = "how many were up to date"},
    {.path = "steps[].skipped",
        .meaning = "how many were not begun, because the step ended before"},
    {.path = "steps[].retried", .meaning = "calls that were retried"},
    {.path = "steps[].throttled", .meaning = "calls that the service throttled"},
    {.path = "steps[].seconds", .meaning = "how long the step took"},
    {.path = "steps[].calls[].operation",
        .meaning = "an operation of the service, such as CreateThing"},
    {.path = "steps[].calls[].count", .meaning = "its calls, repeated ones among them"},
    {.path = "steps[].calls[].throttled", .meaning = "those that the service throttled"},
    {.path = "steps[].calls[].retried", .meaning = "those that failed and were repeated"},
    {.path = "steps[].calls[].quota",
        .meaning = "calls per second that the account allows or that are assumed; null: no limit"},
    {.path = "steps[].errors[].code", .meaning = "kind of the error"},
    {.path = "steps[].errors[].message", .meaning = "the first error of this kind"},
    {.path = "steps[].errors[].count", .meaning = "errors of this kind"},
    {.path = "steps[].errors[].first_client",
        .meaning = "index of the first client with it; null: the whole job"},
    {.path = "simulations[].name", .meaning = "name of its step"},
    {.path = "simulations[].template", .meaning = "its template"},
    {.path = "simulations[].template_digest", .meaning = "SHA-256 of the template file"},
    {.path = "simulations[].transport", .meaning = "alias of its transport, or `none`"},
    {.path = "simulations[].seed", .meaning = "makes jitter and random values repeatable"},
    {.path = "simulations[].started", .meaning = "when it began"},
    {.path = "simulations[].seconds", .meaning = "how long it took"},
    {.path = "simulations[].planned_seconds",
        .meaning = "how long it was to take, or null: as long as its messages take"},
    {.path = "simulate.metrics.*.count", .meaning = "values of a metric of the scripts"},
    {.path = "simulate.metrics.*.sum", .meaning = "their sum"},
    {.path = "simulate.metrics.*.mean", .meaning = "their mean"},
    {.path = "simulate.metrics.*.p50", .meaning = "their median; percentiles are exact to 0.25%"},
    {.path = "simulate.metrics.*.p90", .meaning = "90% of them do not exceed it"},
    {.path = "simulate.metrics.*.p95", .meaning = "95% of them do not exceed it"},
    {.path = "simulate.metrics.*.p99", .meaning = "99% of them do not exceed it"},
    {.path = "simulate.metrics.*.p999", .meaning = "99.9% of them do not exceed it"},
    {.path = "simulate.metrics.*.buckets",
        .meaning =
            "pairs: a bucket, and how many values are in it. The bucket of x is 0 for 0, else "
            "sign(x) * (round(200 * ln|x|) + 150000)"},
    {.path = "simulate.metrics.*.min", .meaning = "the smallest"},
    {.path = "simulate.metrics.*.max", .meaning = "the largest"},
    {.path = "simulate.errors[].code", .meaning = "kind of the failure"},
    {.path = "simulate.errors[].message", .meaning = "the first failure of this kind"},
    {.path = "simulate.errors[].count", .meaning = "failures of this kind"},
    {.path = "simulate.errors[].first_client", .meaning = "index of the first client with it"},
    {.path = "simulate.devices[].client",
        .meaning = "index of a client with failures, or with lost, duplicated, reordered or late "
                   "messages; at most 100"},
    {.path = "simulate.devices[].lost", .meaning = "its lost messages"},
    {.path = "simulate.devices[].duplicates",
        .meaning = "its messages that came back more than once"},
    {.path = "simulate.devices[].reordered", .meaning = "its messages that came back out of order"},
    {.path = "simulate.devices[].late", .meaning = "its messages that came back late"},
    {.path = "simulate.devices[].reasons.*", .meaning = "its failures, by their code"},
    {.path = "simulate.stages[].name", .meaning = "name of a stage, or null"},
    {.path = "simulate.stages[].seconds", .meaning = "its duration"},
    {.path = "simulate.stages[].storm",
        .meaning = "share of the connections that is dropped at its start"},
    {.path = "simulate.stages[].unit",
        .meaning = "what is counted: `clients` connected at its end, or `messages` in it"},
    {.path = "simulate.stages[].intended", .meaning = "how many it was to reach"},
    {.path = "simulate.stages[].reached", .meaning = "how many it reached"},
    {.path = "simulate.thresholds", .meaning = "the thresholds of the step, as below"},
    {.path = "simulate.glob.blocking", .meaning = "calls of scripts that waited for the store"},
    {.path = "simulate.glob.blocking_seconds", .meaning = "how long they waited"},
    {.path = "simulate.glob.failed_writes",
        .meaning = "writes of scripts that are not in the store"},
    {.path = "simulate.generator.saturated", .meaning = "this machine was the bottleneck"},
    {.path = "simulate.generator.cpu", .meaning = "cores in use"},
    {.path = "simulate.generator.busy",
        .meaning = "share of its time in which the busiest loop was at work"},
    {.path = "simulate.generator.lag_p99_seconds",
        .meaning = "99% of the messages were sent with at most this delay"},
    {.path = "thresholds[].expression", .meaning = "the threshold"},
    {.path = "thresholds[].simulation", .meaning = "name of the simulation that it is about"},
    {.path = "thresholds[].value", .meaning = "the value that it was compared with"},
    {.path = "thresholds[].ok", .meaning = "it holds"},
    {.path = "thresholds[].reason", .meaning = "why it does not, if not by its value"},
};
#define COUNT (sizeof(summary_members) / sizeof(summary_members[0]))

/* A summary with one entry in each list, written as JSON and read back. */
static json_t *summary_members_make(void)
{
    FILE *file = tmpfile();
    struct tally_metric metric = {.name = "*", .count = 1};
    struct tally_reason reason = {.code = "*", .count = 1};
    struct tally_device device = {.client = 0, .reasons = &reason};
    struct stage_summary stage = {.name = "stage"};
    struct call_summary call = {.operation = "Operation", .quota = 1};
    struct step_summary *step;
    struct simulate_summary *simulate;
    struct summary summary;
    json_t *root;
    bool good;

    if (!file)
        return NULL;
    summary_init(&summary, "job");
    summary.job_digest = "";
    step = summary_add_step(&summary, "deploy", "step", "job");
    step->calls = &call;
    summary_add_failure(&summary, &step->failures, "Code", "message", 0);
    summary_add_failure(&summary, &summary.simulate.tally.failures, "Code", "message", 0);
    summary.simulate.present = true;
    tally_add_metric(&summary.simulate.tally, &metric);
    tally_add_device(&summary.simulate.tally, &device);
    summary.simulate.stages = &stage;
    summary.simulate.stage_count = 1;
    for (size_t i = 0; i < TALLY_TIMES; i++)
        histogram_add(&summary.simulate.tally.times[i], 1);
    simulate = summary_begin_simulate(&summary, step);
    simulate->present = true;
    simulate->name = simulate->template = simulate->template_digest = simulate->transport = "";
    summary_add_threshold(&summary,
        &(struct threshold_summary){
            .simulate = simulate, .expression = "publish.p99 < 1s", .value = 1, .why = "no value"});
    good = summary_write_json(&summary, file);
    rewind(file);
    root = good ? json_loadf(file, 0, NULL) : NULL;
    summary_clear(&summary);
    fclose(file);
    return root;
}

/* The meaning of a member of `simulate`, from the tables of core/report. */
static const char *summary_members_of_tally(const char *name)
{
    size_t length;

    for (size_t i = 0; i < TALLY_FINISHED; i++)
        if (strcmp(tally_counts[i].name, name) == 0)
            return tally_counts[i].meaning;
    for (size_t i = 0; i < TALLY_TIMES; i++) {
        length = strlen(tally_times[i].name);
        if (strncmp(tally_times[i].name, name, length) == 0 &&
            strncmp(name + length, "_seconds.", 9) == 0)
            return tally_times[i].meaning;
    }
    return NULL;
}

static const char *summary_members_meaning(const char *path)
{
    static const char simulate[] = "simulate.";

    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(summary_members[i].path, path) != 0)
            continue;
        summary_members[i].found = true;
        return summary_members[i].meaning;
    }
    return strncmp(path, simulate, strlen(simulate)) == 0
               ? summary_members_of_tally(path + strlen(simulate))
               : NULL;
}

static void summary_members_row(
    struct page *page, const char *path, const char *type, const char *meaning)
{
    if (!meaning) {
        fprintf(stderr, "iotify-reference: the summary's member %s has no meaning\n", path);
        exit(1);
    }
    page_row(page, path, type, meaning);
}

static void summary_members_walk(struct page *page, json_t *value, const char *path)
{
    const char *name, *meaning;
    char below[256];
    json_t *member;

    /* The others of a simulation are those of `simulate`. */
    if (strncmp(path, "simulations[].", 14) == 0 && !summary_members_meaning(path))
        return;
    if (json_is_array(value) && summary_members_meaning(path)) {
        summary_members_row(page, path, "array", summary_members_meaning(path));
        return;
    }
    if (json_is_array(value)) {
        snprintf(below, sizeof(below), "%s[]", path);
        summary_members_walk(page, json_array_get(value, 0), below);
        return;
    }
    if (json_object_get(value, "p50") && !json_object_get(value, "sum")) {
        snprintf(below, sizeof(below), "%s.p50", path);
        meaning = summary_members_meaning(below);
        snprintf(
            below, sizeof(below), "%s.count .mean .p50 .p90 .p95 .p99 .p999 .max .buckets", path);
        summary_members_row(page, below, "numbers, or null", meaning);
        return;
    }
    if (json_is_object(value)) {
        json_object_foreach(value, name, member)
        {
            snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", name);
            summary_members_walk(page, member, below);
        }
        return;
    }
    summary_members_row(page, path,
        json_is_string(value)    ? "string"
        : json_is_boolean(value) ? "boolean"
        : json_is_integer(value) ? "integer"
                                 : "number",
        summary_members_meaning(path));
}

void summary_members_write(struct page *page)
{
    json_t *root = summary_members_make();

    if (!root) {
        fprintf(stderr, "iotify-reference: cannot make a summary\n");
        exit(1);
    }
    page_begin_table(page, (const char *const[3]){"Member", "Type", "Meaning"});
    summary_members_walk(page, root, "");
    page_end_table(page);
    json_decref(root);
    for (size_t i = 0; i < COUNT; i++) {
        if (summary_members[i].found)
            continue;
        fprintf(
            stderr, "iotify-reference: the summary has no member %s\n", summary_members[i].path);
        exit(1);
    }
}
