/* The program: command line, and the order in which a run goes. */
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <mosquitto.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/base/value.h"
#include "core/cli/commands.h"
#include "core/pipeline/planning.h"
#include "core/pipeline/run.h"
#include "core/report/progress.h"
#include "core/simulate/monitor.h"
#include "core/simulate/preview.h"
#include "core/simulate/simulate.h"

const struct core_step core_steps[] = {
    {"simulate", "run a template on the job's clients", &simulate_settings},
};
const size_t core_step_count = sizeof(core_steps) / sizeof(core_steps[0]);

static bool threshold_crossed;

static bool read_job(const char *file, const struct options *options, struct registry *registry,
    struct job *job, struct diagnostics *diagnostics)
{
    const struct job_request request = {.file = file,
        .overrides = options->overrides,
        .override_count = options->override_count,
        .core_steps = core_steps,
        .core_step_count = core_step_count};

    registry_init(registry);
    return job_load(job, registry, &request, diagnostics);
}

/* EXIT_DONE when there is nothing to tell. */
static int tell_problems(const struct job *job, struct diagnostics *diagnostics)
{
    diagnostics_print(diagnostics, stderr);
    if (diagnostics->count)
        return EXIT_USAGE;
    if (!job->refused)
        return EXIT_DONE;
    fprintf(stderr, "iotifyd: %s\n", job->refused);
    return EXIT_STEP_FAILED;
}

int load_job(const char *file, const struct options *options, struct registry *registry,
    struct job *job, struct diagnostics *diagnostics)
{
    read_job(file, options, registry, job, diagnostics);
    return tell_problems(job, diagnostics);
}

/* ------------------------------------------------------------------ what runs */

struct selection {
    const struct pipeline **pipelines;
    size_t count;
    int64_t solo; /* a client; -1: all of them */
};

static bool select_pipelines(
    const struct job *job, const struct options *options, struct selection *selection)
{
    /* Whoever looks at one client, or at messages, has no need of the other pipelines. */
    static const char *const simulate[] = {"", "simulate"};
    bool looks = options->word_count == 1 && (options->solo || options->preview);
    const char *const *words = looks ? simulate : options->words;
    bool named = looks || options->word_count > 1;
    size_t count = looks ? 1 : named ? options->word_count - 1 : job->run_count;

    selection->pipelines = memory_new(count, sizeof(struct pipeline *));
    selection->count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct pipeline *pipeline = named ? job_pipeline(job, words[i + 1]) : job->run[i];
        struct suggest suggest;

        if (!pipeline) {
            suggest_init(&suggest, words[i + 1]);
            for (size_t j = 0; j < job->pipeline_count; j++)
                suggest_offer(&suggest, job->pipelines[j].name);
            fprintf(stderr, "iotifyd: the job has no pipeline \"%s\"%s%s%s\n", words[i + 1],
                suggest.best ? "; did you mean \"" : "", suggest.best ? suggest.best : "",
                suggest.best ? "\"?" : "");
            return false;
        }
        if (options->keep && strcmp(pipeline->name, "cleanup") == 0)
            continue;
        selection->pipelines[selection->count++] = pipeline;
    }
    return true;
}

/* The client of --solo, by which --preview goes too. False after a message. */
static bool take_solo(
    const struct job *job, const struct options *options, struct selection *selection)
{
    int64_t first = job->options->first, end = first + job->options->count;

    selection->solo = -1;
    if (!options->solo)
        return true;
    if (value_parse_integer(options->solo, &selection->solo) && selection->solo >= first &&
        selection->solo < end)
        return true;
    fprintf(stderr, "iotifyd: --solo takes a client of the job, %lld to %lld, not %s\n",
        (long long)first, (long long)end - 1, options->solo);
    return false;
}

/* The {{expressions}} of steps, compiled once so that a mistake shows before anything starts. */
static void check_expressions(const struct job *job, struct diagnostics *diagnostics)
{
    static const struct script_services services = {0};
    const struct script_facts facts = {.job = job->options->name};
    struct script *script = NULL;

    for (size_t i = 0; i < job->pipeline_count; i++) {
        for (size_t j = 0; j < job->pipelines[i].count; j++) {
            const struct schema_expression *expression = job->pipelines[i].steps[j].expressions;

            for (; expression; expression = expression->next) {
                if (!script)
                    script = script_new(&services, &facts);
                if (script)
                    script_macro(script, expression->setting.name, expression->text,
                        expression->place, diagnostics);
            }
        }
    }
    script_free(script);
}

static void check_steps(
    const struct job *job, const struct selection *selection, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < selection->count; i++)
        for (size_t j = 0; j < selection->pipelines[i]->count; j++)
            if (selection->pipelines[i]->steps[j].core && selection->pipelines[i]->steps[j].valid)
                simulate_check(job, &selection->pipelines[i]->steps[j], selection->pipelines,
                    selection->count, diagnostics);
    check_expressions(job, diagnostics);
}

/* ------------------------------------------------------------------ run */

static bool run_core_step(struct run *run, const struct step *step, struct step_summary *result)
{
    bool good = simulate_run(run, step, result);

    if (good && !stop_requested() && !simulate_judge(run, step, result))
        threshold_crossed = true;
    return good;
}

/*
 * The pipelines in order. After a failure only cleanup still runs; after a signal nothing does.
 */
static bool run_pipelines(struct run *run, const struct selection *selection)
{
    bool good = true;

    for (size_t i = 0; i < selection->count && !stop_requested(); i++) {
        const struct pipeline *pipeline = selection->pipelines[i];

        if (!good && strcmp(pipeline->name, "cleanup") != 0) {
            log_write(IOTIFY_WARNING, run->job->options->name,
                "%s is skipped because a step before it failed", pipeline->name);
            continue;
        }
        if (!run_pipeline(run, pipeline))
            good = false;
    }
    return good;
}

/* A word as the shell takes it back. */
static void print_word(const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,@%+-";

    if (*word && word[strspn(word, plain)] == '\0') {
        fprintf(stderr, " %s", word);
        return;
    }
    fputs(" '", stderr);
    for (; *word; word++)
        fprintf(stderr, *word == '\'' ? "'\\''" : "%c", *word);
    fputs("'", stderr);
}

static void tell_resume(const struct options *options)
{
    fputs("interrupted; what was acknowledged is stored. To go on, run the same command: iotifyd",
        stderr);
    for (int i = 1; i < options->argument_count; i++)
        print_word(options->arguments[i]);
    fputs("\n", stderr);
}

static int finish(const struct options *options, struct summary *summary, bool good)
{
    int signal = stop_requested();
    bool color = !options->no_color && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    bool json_on_stdout = options->json && strcmp(options->json, "-") == 0;

    summary->exit_code = signal              ? 128 + signal
                         : !good             ? EXIT_STEP_FAILED
                         : threshold_crossed ? EXIT_THRESHOLD
                                             : EXIT_DONE;
    if (!json_on_stdout) {
        summary_print(summary, stdout, color);
        fflush(stdout);
    }
    if (options->json && !summary_write_json(summary, options->json)) {
        fprintf(stderr, "iotifyd: cannot write the summary to %s: %s; name another file\n",
            options->json, strerror(errno));
        if (summary->exit_code == EXIT_DONE || summary->exit_code == EXIT_THRESHOLD)
            summary->exit_code = EXIT_STEP_FAILED;
    }
    if (signal)
        tell_resume(options);
    return summary->exit_code;
}

/*
 * Records of what the service has, for the cleanup behind it. EXIT_DONE to go on; without --yes
 * only the list is printed.
 */
static int recover(const struct options *options, struct run *run)
{
    int64_t found = 0;

    if (!planning_recover(run, false, &found))
        return EXIT_STEP_FAILED;
    if (found == 0 || options->plan)
        return EXIT_DONE;
    if (!options->yes) {
        fflush(stdout);
        fprintf(stderr, "iotifyd: nothing was deleted; add --yes to delete it\n");
        return EXIT_USAGE;
    }
    return planning_recover(run, true, &found) ? EXIT_DONE : EXIT_STEP_FAILED;
}

/* What comes instead of a run: EXIT_DONE with `*over` unset to go on with it. */
static int look_ahead(
    const struct options *options, struct run *run, const struct selection *selection, bool *over)
{
    int status = EXIT_DONE;

    *over = options->plan;
    if (options->from_aws)
        status = recover(options, run);
    else if (options->plan &&
             !planning_print(run, selection->pipelines, selection->count, options->json))
        status = EXIT_STEP_FAILED;
    *over = *over || status != EXIT_DONE;
    return *over && stop_requested() ? 128 + stop_requested() : status;
}

/* The series file and the metrics port; EXIT_DONE, or another status after a message. */
static int open_outputs(const struct options *options, struct monitor_outputs *outputs)
{
    const char *error;
    int status = EXIT_DONE;

    *outputs = (struct monitor_outputs){.series_path = options->series};
    if (options->series) {
        outputs->series = fopen(options->series, "we");
        if (!outputs->series) {
            fprintf(stderr, "iotifyd: cannot write %s: %s\n", options->series, strerror(errno));
            status = EXIT_STEP_FAILED;
        }
    }
    if (options->metrics_port) {
        errno = 0;
        outputs->exporter = exporter_open(options->metrics_port, &error);
        if (!outputs->exporter) {
            status = errno ? EXIT_STEP_FAILED : EXIT_USAGE;
            fprintf(stderr, "iotifyd: --metrics-port %s: %s\n", options->metrics_port, error);
        }
    }
    return status;
}

static bool close_outputs(struct monitor_outputs *outputs)
{
    bool good = !outputs->broken;

    exporter_close(outputs->exporter);
    if (outputs->series && fclose(outputs->series) != 0)
        good = false;
    return good;
}

static int run_job(
    const struct options *options, const struct job *job, const struct selection *selection)
{
    struct monitor_outputs outputs;
    struct summary summary;
    struct call call;
    struct run run;
    bool good, over = false;
    int status = open_outputs(options, &outputs);

    if (status != EXIT_DONE) {
        close_outputs(&outputs);
        return status;
    }
    progress_setup(options->quiet || options->solo, !options->no_color);
    summary_init(&summary, job->options->name);
    call_init(&call, job->options->name);
    good =
        run_open(&run, job, &summary, options->plan || (options->from_aws && !options->yes), &call);
    if (good) {
        run.core_step = run_core_step;
        run.outputs = &outputs;
        run.prune = options->prune;
        run.solo = selection->solo;
        status = look_ahead(options, &run, selection, &over);
        if (!over)
            good = run_pipelines(&run, selection);
    } else {
        log_write(IOTIFY_ERROR, job->options->name, "%s", call_message(&call, IOTIFY_FAILED));
    }
    if (run.abandoned) {
        status = finish(options, &summary, false);
        fflush(stdout);
        /* A thread of the run is still at work with what would be freed. */
        _Exit(status);
    }
    run_close(&run);
    call_clear(&call);
    good = close_outputs(&outputs) && good;
    if (!over)
        status = finish(options, &summary, good);
    summary_clear(&summary);
    return status;
}

/* Messages of each template that the selected pipelines simulate. */
static int preview(
    const struct job *job, struct registry *registry, const struct selection *selection)
{
    int64_t client = selection->solo >= 0 ? selection->solo : job->options->first;
    bool good = true, any = false;

    for (size_t i = 0; i < selection->count; i++)
        for (size_t j = 0; j < selection->pipelines[i]->count; j++) {
            const struct step *step = &selection->pipelines[i]->steps[j];

            if (!step->core)
                continue;
            any = true;
            good = preview_run(job, registry, step, client) && good;
        }
    if (!any)
        fprintf(stderr, "iotifyd: --preview: no step of these pipelines runs a template\n");
    return !any ? EXIT_USAGE : good ? EXIT_DONE : EXIT_STEP_FAILED;
}

static int use_job(const struct options *options, const struct job *job, struct registry *registry,
    const struct selection *selection)
{
    struct iotify_buffer text;

    if (options->print) {
        iotify_buffer_init(&text, 1 << 26);
        job_print(job, &text);
        fputs(iotify_buffer_text(&text), stdout);
        iotify_buffer_clear(&text);
        return EXIT_DONE;
    }
    if (options->check) {
        printf("%s: good\n", job->file);
        return EXIT_DONE;
    }
    if (options->preview)
        return preview(job, registry, selection);
    return run_job(options, job, selection);
}

/* All problems at once, whatever finds them; then what was asked for. */
static int check_and_use(const struct options *options, const struct job *job,
    struct registry *registry, struct selection *selection, struct diagnostics *diagnostics)
{
    int status;

    if (job->options && job->pipeline_count) {
        if (!select_pipelines(job, options, selection) || !take_solo(job, options, selection))
            return tell_problems(job, diagnostics) == EXIT_STEP_FAILED ? EXIT_STEP_FAILED
                                                                       : EXIT_USAGE;
        /* A job may be looked at before the template is there. */
        if (!options->print)
            check_steps(job, selection, diagnostics);
    }
    status = tell_problems(job, diagnostics);
    return status == EXIT_DONE ? use_job(options, job, registry, selection) : status;
}

static int command_run(const struct options *options)
{
    struct diagnostics diagnostics = {0};
    struct selection selection = {0};
    struct registry registry;
    struct job job;
    int status;

    if (options->word_count == 0) {
        fputs(options_help, stderr);
        return EXIT_USAGE;
    }
    if (options->from_aws &&
        (options->word_count != 2 || strcmp(options->words[1], "cleanup") != 0)) {
        fprintf(stderr,
            "iotifyd: --from-aws goes with cleanup alone: iotifyd %s cleanup "
            "--from-aws\n",
            options->words[0]);
        return EXIT_USAGE;
    }
    if (options->yes && !options->from_aws) {
        fprintf(stderr, "iotifyd: --yes goes with --from-aws\n");
        return EXIT_USAGE;
    }
    read_job(options->words[0], options, &registry, &job, &diagnostics);
    status = check_and_use(options, &job, &registry, &selection, &diagnostics);
    free(selection.pipelines);
    job_clear(&job);
    registry_clear(&registry);
    diagnostics_clear(&diagnostics);
    return status;
}

static void print_version(void)
{
    int major, minor, revision;

    mosquitto_lib_version(&major, &minor, &revision);
    printf("iotifyd %s (%s), plugin ABI %d.%d\n%s\n%s\nlibmosquitto %d.%d.%d\nlibuv %s\n",
        IOTIFY_VERSION, IOTIFY_COMMIT, IOTIFY_ABI_MAJOR, IOTIFY_ABI_MINOR,
        OpenSSL_version(OPENSSL_VERSION), curl_version(), major, minor, revision,
        uv_version_string());
}

static int dispatch(const struct options *options)
{
    if (options->help) {
        fputs(options_help, stdout);
        return EXIT_DONE;
    }
    if (options->version) {
        print_version();
        return EXIT_DONE;
    }
    switch (options->command) {
    case COMMAND_INIT:
        return command_init(options);
    case COMMAND_PLUGINS:
        return command_plugins(options);
    case COMMAND_SCHEMA:
        return command_schema(options);
    case COMMAND_GLOB:
        return command_glob(options);
    case COMMAND_IAM:
        return command_iam_policy(options);
    case COMMAND_RUN:
        break;
    }
    return command_run(options);
}

/*
 * Keys are in memory: no core dump, and no look by other processes of the user. The leak checker
 * of a sanitized build looks by ptrace, and would find nothing to look at.
 */
static void guard_memory(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
#ifndef IOTIFY_SANITIZED
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* JSON trees hold keys and answers with keys in them. */
static void free_wiped(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

int main(int count, char **arguments)
{
    struct options options;
    int status = EXIT_USAGE;

    /*
     * The script engine ends an endless loop by a fault in compiled code, which fails once in a
     * while; asking at each turn of a loop does not. Before any thread or script machine.
     */
    setenv("JSC_usePollingTraps", "true", 1);
    guard_memory();
    seal_prepare();
    json_set_alloc_funcs(malloc, free_wiped);
    stop_install();
    if (options_parse(&options, count, arguments)) {
        bool json = options.log_format && strcmp(options.log_format, "json") == 0;

        log_setup(options.quiet     ? IOTIFY_ERROR
                  : options.verbose ? IOTIFY_DEBUG
                                    : IOTIFY_INFO,
            json ? LOG_JSON : LOG_TEXT);
        curl_global_init(CURL_GLOBAL_DEFAULT);
        status = dispatch(&options);
        curl_global_cleanup();
    }
    options_clear(&options);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "iotifyd: cannot write to the standard output: %s\n", strerror(errno));
        status = status == EXIT_DONE ? EXIT_STEP_FAILED : status;
    }
    return status;
}
