/* The program: command line, and the order in which a run goes. */
#include <curl/curl.h>
#include <errno.h>
#include <mosquitto.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/cli/commands.h"
#include "core/pipeline/run.h"
#include "core/report/progress.h"
#include "core/simulate/simulate.h"

const struct core_step core_steps[] = {
    {"simulate", "run a template on the job's clients", &simulate_settings},
};
const size_t core_step_count = sizeof(core_steps) / sizeof(core_steps[0]);

static bool threshold_crossed;

int load_job(const char *file, const struct options *options, struct registry *registry,
    struct job *job, struct diagnostics *diagnostics)
{
    const struct job_request request = {.file = file,
        .overrides = options->overrides,
        .override_count = options->override_count,
        .core_steps = core_steps,
        .core_step_count = core_step_count};

    registry_init(registry);
    if (job_load(job, registry, &request, diagnostics))
        return EXIT_DONE;
    diagnostics_print(diagnostics, stderr);
    if (job->refused && diagnostics->count == 0)
        fprintf(stderr, "iotifyd: %s\n", job->refused);
    return diagnostics->count ? EXIT_USAGE : EXIT_STEP_FAILED;
}

/* ------------------------------------------------------------------ what runs */

struct selection {
    const struct pipeline **pipelines;
    size_t count;
};

static bool select_pipelines(
    const struct job *job, const struct options *options, struct selection *selection)
{
    bool named = options->word_count > 1;
    size_t count = named ? options->word_count - 1 : job->run_count;

    selection->pipelines = memory_new(count, sizeof(struct pipeline *));
    selection->count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct pipeline *pipeline =
            named ? job_pipeline(job, options->words[i + 1]) : job->run[i];
        struct suggest suggest;

        if (!pipeline) {
            suggest_init(&suggest, options->words[i + 1]);
            for (size_t j = 0; j < job->pipeline_count; j++)
                suggest_offer(&suggest, job->pipelines[j].name);
            fprintf(stderr, "iotifyd: the job has no pipeline \"%s\"%s%s%s\n",
                options->words[i + 1], suggest.best ? "; did you mean \"" : "",
                suggest.best ? suggest.best : "", suggest.best ? "\"?" : "");
            return false;
        }
        if (!named && options->keep && strcmp(pipeline->name, "cleanup") == 0)
            continue;
        selection->pipelines[selection->count++] = pipeline;
    }
    return true;
}

static void check_steps(
    const struct job *job, const struct selection *selection, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < selection->count; i++)
        for (size_t j = 0; j < selection->pipelines[i]->count; j++)
            if (selection->pipelines[i]->steps[j].core)
                simulate_check(job, &selection->pipelines[i]->steps[j], selection->pipelines,
                    selection->count, diagnostics);
}

/* ------------------------------------------------------------------ run */

static bool run_core_step(struct run *run, const struct step *step, struct step_summary *result)
{
    bool good = simulate_run(run, step, result);

    if (good && !stop_requested() && !simulate_judge(run, step))
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

static void tell_resume(const struct options *options)
{
    fprintf(stderr, "interrupted; what was acknowledged is stored. To go on, run the same command: "
                    "iotifyd");
    for (size_t i = 0; i < options->word_count; i++)
        fprintf(stderr, " %s", options->words[i]);
    fprintf(stderr, "\n");
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
        fprintf(stderr, "iotifyd: cannot write the summary to %s\n", options->json);
        if (summary->exit_code == EXIT_DONE || summary->exit_code == EXIT_THRESHOLD)
            summary->exit_code = EXIT_STEP_FAILED;
    }
    if (signal)
        tell_resume(options);
    return summary->exit_code;
}

static int run_job(
    const struct options *options, const struct job *job, const struct selection *selection)
{
    struct summary summary;
    struct call call;
    struct run run;
    bool good;
    int status;

    progress_setup(options->quiet, !options->no_color);
    summary_init(&summary, job->options->name);
    call_init(&call, job->options->name);
    good = run_open(&run, job, &summary, &call);
    if (good) {
        run.core_step = run_core_step;
        good = run_pipelines(&run, selection);
    } else {
        log_write(IOTIFY_ERROR, job->options->name, "%s", call_message(&call, IOTIFY_FAILED));
    }
    run_close(&run);
    call_clear(&call);
    status = finish(options, &summary, good);
    summary_clear(&summary);
    return status;
}

static int use_job(const struct options *options, const struct job *job,
    const struct selection *selection, struct diagnostics *diagnostics)
{
    struct iotify_buffer text;

    check_steps(job, selection, diagnostics);
    if (diagnostics->count && !options->print) {
        diagnostics_print(diagnostics, stderr);
        return EXIT_USAGE;
    }
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
    return run_job(options, job, selection);
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
    status = load_job(options->words[0], options, &registry, &job, &diagnostics);
    if (status == EXIT_DONE)
        status = select_pipelines(&job, options, &selection)
                     ? use_job(options, &job, &selection, &diagnostics)
                     : EXIT_USAGE;
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
    case COMMAND_RUN:
        break;
    }
    return command_run(options);
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
