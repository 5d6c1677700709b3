/* SPDX-License-Identifier: Apache-2.0 */
#include "reference/summary_members.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/report/summary.h"

/* Members that no table of core/report explains. `*` stands for any name. */
static struct summary_member {
    const char *path, *meaning;
    bool found;
} summary_members[] = {
    {.path = "job", .meaning = "name of the job"},
    {.path = "version", .meaning = "version of iotifyd"},
    {.path = "started", .meaning = "when the run began, ISO 8601"},
    {.path = "seconds", .meaning = "how long it took"},
    {.path = "exit", .meaning = "the exit code"},
    {.path = "steps[].pipeline", .meaning = "pipeline of the step"},
    {.path = "steps[].step", .meaning = "name of the step"},
    {.path = "steps[].scope", .meaning = "`job` or `device`"},
    {.path = "steps[].total", .meaning = "what the step had to do: 1, or the number of devices"},
    {.path = "steps[].ok", .meaning = "how many were done"},
    {.path = "steps[].failed", .meaning = "how many failed for good"},
    {.path = "steps[].skipped", .meaning = "how many were up to date"},
    {.path = "steps[].retried", .meaning = "calls that were retried"},
    {.path = "steps[].throttled", .meaning = "calls that the service throttled"},
    {.path = "steps[].seconds", .meaning = "how long the step took"},
    {.path = "steps[].errors[].code", .meaning = "kind of the error"},
    {.path = "steps[].errors[].message", .meaning = "the first error of this kind"},
    {.path = "steps[].errors[].count", .meaning = "errors of this kind"},
    {.path = "steps[].errors[].first_client",
        .meaning = "index of the first client with it; null: the whole job"},
    {.path = "simulate.metrics.*.count", .meaning = "values of a metric of the scripts"},
    {.path = "simulate.metrics.*.sum", .meaning = "their sum"},
    {.path = "simulate.metrics.*.mean", .meaning = "their mean"},
    {.path = "simulate.metrics.*.min", .meaning = "the smallest"},
    {.path = "simulate.metrics.*.max", .meaning = "the largest"},
    {.path = "simulate.errors[].code", .meaning = "kind of the failure"},
    {.path = "simulate.errors[].message", .meaning = "the first failure of this kind"},
    {.path = "simulate.errors[].count", .meaning = "failures of this kind"},
    {.path = "simulate.errors[].first_client", .meaning = "index of the first client with it"},
    {.path = "simulate.devices[].client",
        .meaning = "index of a client with lost, duplicated, reordered or late messages"},
    {.path = "simulate.devices[].lost", .meaning = "its lost messages"},
    {.path = "simulate.devices[].duplicates",
        .meaning = "its messages that came back more than once"},
    {.path = "simulate.devices[].reordered", .meaning = "its messages that came back out of order"},
    {.path = "simulate.devices[].late", .meaning = "its messages that came back late"},
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
    {.path = "thresholds[].value", .meaning = "the value that it was compared with"},
    {.path = "thresholds[].ok", .meaning = "it holds"},
};
#define COUNT (sizeof(summary_members) / sizeof(summary_members[0]))

/* A summary with one entry in each list, written as JSON and read back. */
static json_t *summary_members_make(void)
{
    char path[] = "/tmp/iotify-reference-XXXXXX";
    int file = mkstemp(path);
    struct tally_metric metric = {.name = "*", .count = 1};
    struct tally_device device = {.client = 0};
    struct step_summary *step;
    struct summary summary;
    json_t *root;

    if (file < 0)
        return NULL;
    close(file);
    summary_init(&summary, "job");
    step = summary_add_step(&summary, "deploy", "step", "job");
    summary_add_failure(&summary, &step->failures, "Code", "message", 0);
    summary_add_failure(&summary, &summary.simulate.tally.failures, "Code", "message", 0);
    summary.simulate.present = true;
    tally_add_metric(&summary.simulate.tally, &metric);
    tally_add_device(&summary.simulate.tally, &device);
    summary_add_threshold(&summary, "failed == 0", 0, true, "");
    root = summary_write_json(&summary, path) ? json_load_file(path, 0, NULL) : NULL;
    summary_clear(&summary);
    unlink(path);
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

    if (json_is_array(value)) {
        snprintf(below, sizeof(below), "%s[]", path);
        summary_members_walk(page, json_array_get(value, 0), below);
        return;
    }
    if (json_object_get(value, "p50")) {
        snprintf(below, sizeof(below), "%s.p50", path);
        meaning = summary_members_meaning(below);
        snprintf(below, sizeof(below), "%s.p50 .p90 .p95 .p99 .p999 .max", path);
        summary_members_row(page, below, "number", meaning);
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
