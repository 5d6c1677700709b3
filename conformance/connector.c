/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connector has to do, by jobs with it that iotifyd runs: the service is the one that the
 * settings and the environment name. Each case continues where the one before has ended.
 */
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conformance/suite.h"
#include "core/base/activity.h"
#include "core/base/program.h"

#define DEVICES 5
#define DEVICES_MORE 8

extern char **environ;

/* How a run has ended. */
struct connector_run {
    int status; /* exit status, or -signal */
    json_t *summary;
    const char *out, *log;
};

static const char *connector_path(struct suite *suite, const char *name)
{
    return arena_format(&suite->arena, "%s/%s", suite->folder, name);
}

static const char *connector_read(struct suite *suite, const char *name)
{
    FILE *file = fopen(connector_path(suite, name), "r");
    char *text = arena_alloc(&suite->arena, 1 << 20);

    if (file) {
        text[fread(text, 1, (1 << 20) - 1, file)] = '\0';
        fclose(file);
    }
    return text;
}

/* The job: the plugin with the settings of --set, and a store in the suite's folder. */
static void connector_write_job(struct suite *suite, int devices)
{
    FILE *file = fopen(connector_path(suite, "job.yaml"), "w");

    if (!file)
        activity_exit(2);
    fprintf(file,
        "name: conformance\ndevices: %d\nplugins:\n  c: {use: %s}\n  glob: {use: sqlite}\n",
        devices, suite->plugin->name);
    fclose(file);
}

/* Of the plugin that is tested; absolute, because jobs run in another folder. */
static const char *connector_folder(struct suite *suite)
{
    char *path = realpath(suite->plugin->path, NULL);
    const char *folder =
        path ? arena_format(&suite->arena, "%.*s", (int)(strrchr(path, '/') - path), path) : ".";

    free(path);
    return folder;
}

static pid_t connector_start(struct suite *suite, const char *const *words)
{
    const char *arguments[64];
    posix_spawn_file_actions_t actions;
    size_t count = 0;
    pid_t child;

    arguments[count++] = arena_format(&suite->arena, "%s/iotifyd", program_folder(&suite->arena));
    arguments[count++] = "--plugin-path";
    arguments[count++] = connector_folder(suite);
    for (int i = 1; i + 1 < suite->argument_count && count < 40; i++)
        if (strcmp(suite->arguments[i], "--set") == 0) {
            arguments[count++] = "--set";
            arguments[count++] = arena_format(&suite->arena, "plugins.c.%s", suite->arguments[++i]);
        }
    for (; *words; words++)
        arguments[count++] = *words;
    arguments[count] = NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, suite->folder);
    posix_spawn_file_actions_addopen(
        &actions, STDOUT_FILENO, "out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(
        &actions, STDERR_FILENO, "log", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (posix_spawn(&child, arguments[0], &actions, NULL, (char *const *)arguments, environ) != 0)
        activity_exit(2);
    posix_spawn_file_actions_destroy(&actions);
    return child;
}

static struct connector_run connector_end(struct suite *suite, pid_t child)
{
    struct connector_run run = {0};
    int status;

    waitpid(child, &status, 0);
    run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    run.out = connector_read(suite, "out");
    run.log = connector_read(suite, "log");
    run.summary = json_load_file(connector_path(suite, "summary.json"), 0, NULL);
    unlink(connector_path(suite, "summary.json"));
    return run;
}

/* The last line of a text, to say why a run failed. */
static const char *connector_last_line(struct suite *suite, const char *text)
{
    char *copy = arena_string(&suite->arena, text), *line;
    size_t size = strlen(copy);

    while (size && copy[size - 1] == '\n')
        copy[--size] = '\0';
    line = strrchr(copy, '\n');
    return line ? line + 1 : copy;
}

static struct connector_run connector_run(struct suite *suite, int wanted, const char *const *words)
{
    struct connector_run run = connector_end(suite, connector_start(suite, words));

    suite_check(suite, run.status == wanted, "iotifyd %s ended with %d, not %d: %s; %s", words[0],
        run.status, wanted, connector_last_line(suite, run.out),
        connector_last_line(suite, run.log));
    return run;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define DEPLOY WORDS("job.yaml", "deploy", "--json", "summary.json")
#define CLEANUP WORDS("job.yaml", "cleanup", "--json", "summary.json")

/* The sum of a count over the steps for devices. */
static int connector_count(const struct connector_run *run, const char *name)
{
    const json_t *steps = json_object_get(run->summary, "steps"), *step;
    size_t i;
    int sum = 0;

    json_array_foreach(steps, i, step)
    {
        const char *scope = json_string_value(json_object_get(step, "scope"));

        if (scope && strcmp(scope, "device") == 0)
            sum += (int)json_integer_value(json_object_get(step, name));
    }
    return sum;
}

/* One run, and how many devices it must count under a name; < 0: any number. */
struct connector_case {
    const char *name;
    int devices; /* of the job */
    const char *words[6];
    int status;
    const char *counts;
    int count;
};

static const struct connector_case connector_cases[] = {
    {"--check accepts the job", DEVICES, {"--check", "job.yaml"}, 0, NULL, 0},
    {"--print prints it", DEVICES, {"--print", "job.yaml"}, 0, NULL, 0},
    {"--plan before anything exists", DEVICES, {"--plan", "job.yaml", "deploy"}, 0, NULL, 0},
    {"cleanup with nothing to do", DEVICES, {"job.yaml", "cleanup", "--json", "summary.json"}, 0,
        "failed", 0},
    {"deploy", DEVICES, {"job.yaml", "deploy", "--json", "summary.json"}, 0, "ok", DEVICES},
    {"deploy again: all are unchanged", DEVICES, {"job.yaml", "deploy", "--json", "summary.json"},
        0, "unchanged", DEVICES},
    {"deploy a third time", DEVICES, {"job.yaml", "deploy", "--json", "summary.json"}, 0,
        "unchanged", DEVICES},
    {"deploy with --verify full", DEVICES,
        {"job.yaml", "deploy", "--verify", "full", "--json", "summary.json"}, 0, "unchanged",
        DEVICES},
    {"deploy more devices: the others are unchanged", DEVICES_MORE,
        {"job.yaml", "deploy", "--json", "summary.json"}, 0, "ok", DEVICES_MORE - DEVICES},
    {"fewer devices, without --prune: nothing is removed", DEVICES,
        {"job.yaml", "deploy", "--json", "summary.json"}, 0, "unchanged", DEVICES},
    {"deploy with all again", DEVICES_MORE, {"job.yaml", "deploy", "--json", "summary.json"}, 0,
        "unchanged", DEVICES_MORE},
    {"cleanup", DEVICES_MORE, {"job.yaml", "cleanup", "--json", "summary.json"}, 0, "failed", 0},
    {"cleanup again", DEVICES_MORE, {"job.yaml", "cleanup", "--json", "summary.json"}, 0, "failed",
        0},
    {"deploy after cleanup", DEVICES, {"job.yaml", "deploy", "--json", "summary.json"}, 0, "ok",
        DEVICES},
    {"deploy and cleanup in one run", DEVICES,
        {"job.yaml", "deploy", "cleanup", "--json", "summary.json"}, 0, "failed", 0},
};

static void connector_plain(struct suite *suite, const void *data)
{
    const struct connector_case *plain = data;
    struct connector_run run;

    connector_write_job(suite, plain->devices);
    run = connector_run(suite, plain->status, plain->words);
    if (plain->counts)
        suite_check(suite, connector_count(&run, plain->counts) == plain->count,
            "%d devices are %s, not %d: %s", connector_count(&run, plain->counts), plain->counts,
            plain->count, connector_last_line(suite, run.out));
    json_decref(run.summary);
}

/* ------------------------------------------------------------------ plans */

/* The two plans of a job are the same, and a plan leaves no files. */
static void connector_plan_twice(struct suite *suite, const void *data)
{
    struct connector_run first, second;

    (void)data;
    connector_write_job(suite, DEVICES);
    first = connector_run(suite, 0, WORDS("--plan", "job.yaml", "deploy"));
    second = connector_run(suite, 0, WORDS("--plan", "job.yaml", "deploy"));
    suite_check(suite, strcmp(first.out, second.out) == 0, "two plans of the same state differ");
    suite_check(suite, *first.out, "the plan is empty");
    json_decref(first.summary);
    json_decref(second.summary);
}

/* The calls that a summary counts, of one operation; NULL: of all. */
static int connector_calls(const struct connector_run *run, const char *operation)
{
    const json_t *steps = json_object_get(run->summary, "steps"), *step;
    size_t i;
    int sum = 0;

    json_array_foreach(steps, i, step)
    {
        const json_t *calls = json_object_get(step, "calls"), *call;
        size_t j;

        json_array_foreach(calls, j, call)
        {
            const char *name = json_string_value(json_object_get(call, "operation"));

            if (name && (!operation || strcmp(name, operation) == 0))
                sum += (int)json_integer_value(json_object_get(call, "count"));
        }
    }
    return sum;
}

/*
 * A line of a plan: "  5 CreateThing": what is planned is done, in as many calls; an operation
 * may be called more often, to look before it writes.
 */
static void connector_plan_is_done(struct suite *suite, const void *data)
{
    struct connector_run plan, run;
    char *line, *rest, name[80];
    int planned, found = 0, operations = 0, end = 0;

    (void)data;
    connector_write_job(suite, DEVICES);
    plan = connector_run(suite, 0, WORDS("--plan", "job.yaml", "deploy"));
    run = connector_run(suite, 0, DEPLOY);
    for (line = strtok_r(arena_string(&suite->arena, plan.out), "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (sscanf(line, " %d %79[A-Za-z]%n", &planned, name, &end) != 2 || planned < 1)
            continue;
        /* An operation, and not "5 devices": nothing follows it but the pace. */
        operations += !line[end] || strncmp(line + end, " at ", 4) == 0;
        if (!connector_calls(&run, name))
            continue;
        found++;
        suite_check(suite, connector_calls(&run, name) >= planned,
            "%d calls of %s were planned, and %d made", planned, name, connector_calls(&run, name));
    }
    if (connector_calls(&run, NULL) == 0 && operations == 0)
        suite_skip(suite, "the connector calls no service");
    else
        suite_check(suite, found > 0, "no operation of the plan was called");
    json_decref(plan.summary);
    json_decref(run.summary);
}

static void connector_plan_after(struct suite *suite, const void *data)
{
    struct connector_run plan;

    (void)data;
    connector_write_job(suite, DEVICES);
    plan = connector_run(suite, 0, WORDS("--plan", "job.yaml", "deploy"));
    suite_check(suite, !strstr(plan.out, "create"), "a plan of what is deployed creates something");
    json_decref(plan.summary);
    plan = connector_run(suite, 0, CLEANUP);
    json_decref(plan.summary);
}

static void connector_prune(struct suite *suite, const void *data)
{
    struct connector_run run;

    (void)data;
    connector_write_job(suite, DEVICES_MORE);
    run = connector_run(suite, 0, DEPLOY);
    json_decref(run.summary);
    connector_write_job(suite, DEVICES);
    run = connector_run(suite, 0, WORDS("job.yaml", "deploy", "--prune", "--json", "summary.json"));
    suite_check(suite, connector_count(&run, "ok") == DEVICES_MORE - DEVICES,
        "%d devices were removed by --prune, not %d", connector_count(&run, "ok"),
        DEVICES_MORE - DEVICES);
    json_decref(run.summary);
    run = connector_run(suite, 0, CLEANUP);
    json_decref(run.summary);
}

/* ------------------------------------------------------------------ interruptions */

/* Interrupted at some moments; then deployed and cleaned up in good order. */
static void connector_interrupted(struct suite *suite, const void *data)
{
    int number = *(const int *)data;
    struct connector_run run;

    for (int turn = 0; turn < 5; turn++) {
        struct timespec pause = {.tv_nsec = 10000000L + turn * 60000000L};
        pid_t child;

        connector_write_job(suite, 20);
        child = connector_start(suite, DEPLOY);
        nanosleep(&pause, NULL);
        kill(child, number);
        run = connector_end(suite, child);
        suite_check(suite, run.status == 0 || run.status == -number || run.status == 128 + number,
            "an interrupted deploy ended with %d", run.status);
        json_decref(run.summary);
    }
    run = connector_run(suite, 0, DEPLOY);
    suite_check(suite,
        connector_count(&run, "ok") + connector_count(&run, "unchanged") +
                connector_count(&run, "repaired") ==
            20,
        "the deploy after the interruptions does not have all devices: %s",
        connector_last_line(suite, run.out));
    json_decref(run.summary);
    run = connector_run(suite, 0, CLEANUP);
    json_decref(run.summary);
}

static void connector_policy(struct suite *suite, const void *data)
{
    struct connector_run run;

    (void)data;
    if (!suite->plugin->connector.grant) {
        suite_skip(suite, "the connector needs no permissions");
        return;
    }
    connector_write_job(suite, DEVICES);
    run = connector_run(suite, 0, WORDS("iam-policy", "job.yaml"));
    suite_check(suite, *run.out, "the document is empty");
    json_decref(run.summary);
}

/* Each operation that a run calls is in the document that grants permissions. */
static void connector_permissions(struct suite *suite, const void *data)
{
    struct connector_run policy, run;
    const json_t *steps, *step;
    size_t i;

    (void)data;
    if (!suite->plugin->connector.grant) {
        suite_skip(suite, "the connector needs no permissions");
        return;
    }
    connector_write_job(suite, DEVICES);
    policy = connector_run(suite, 0, WORDS("iam-policy", "job.yaml"));
    run = connector_run(suite, 0, WORDS("job.yaml", "deploy", "cleanup", "--json", "summary.json"));
    steps = json_object_get(run.summary, "steps");
    json_array_foreach(steps, i, step)
    {
        const json_t *calls = json_object_get(step, "calls"), *call;
        size_t j;

        json_array_foreach(calls, j, call)
        {
            const char *name = json_string_value(json_object_get(call, "operation"));

            suite_check(suite, name && strstr(policy.out, name),
                "%s is called, and the document does not allow it", name ? name : "");
        }
    }
    json_decref(policy.summary);
    json_decref(run.summary);
}

void connector_suite(struct suite *suite)
{
    static const int term = SIGTERM, killed = SIGKILL;

    for (size_t i = 0; i < sizeof(connector_cases) / sizeof(connector_cases[0]); i++)
        suite_case(suite, connector_cases[i].name, connector_plain, &connector_cases[i]);
    suite_case(suite, "two plans are the same", connector_plan_twice, NULL);
    suite_case(suite, "what is planned is done", connector_plan_is_done, NULL);
    suite_case(suite, "a plan of what is deployed creates nothing", connector_plan_after, NULL);
    suite_case(suite, "--prune removes what is no longer in the job", connector_prune, NULL);
    suite_case(
        suite, "deploys that are stopped, then one that is not", connector_interrupted, &term);
    suite_case(
        suite, "deploys that are killed, then one that is not", connector_interrupted, &killed);
    suite_case(suite, "a document grants its permissions", connector_policy, NULL);
    suite_case(suite, "the document has all calls that are made", connector_permissions, NULL);
}
