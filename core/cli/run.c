/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/cli/job_text.h"
#include "core/cli/load.h"
#include "core/cli/select.h"
#include "core/output/output.h"
#include "core/pipeline/pipeline.h"
#include "core/pipeline/planning.h"
#include "core/pipeline/run.h"
#include "core/report/progress.h"
#include "core/simulate/check.h"
#include "core/simulate/preview.h"
#include "core/simulate/simulate.h"

#define PROGRESS_INTERVAL (10 * SECOND)

/* Does the run end with a summary, and not with a list or a plan? */
static bool run_command_sums_up(const struct options *options)
{
    return !options->plan && !(options->from_service && !options->yes);
}

/* ------------------------------------------------------------------ check */

/* Compile the {{expressions}} of all steps, to report errors before anything starts. */
static void run_command_check_expressions(const struct job *job, struct diagnostics *diagnostics)
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
                    script_expression(script, expression->setting.name, expression->text,
                        expression->location, diagnostics);
            }
        }
    }
    script_free(script);
}

static void run_command_check_steps(
    const struct job *job, const struct selection *selection, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < selection->count; i++)
        for (size_t j = 0; j < selection->pipelines[i]->count; j++)
            if (selection->pipelines[i]->steps[j].core && selection->pipelines[i]->steps[j].valid)
                check_simulate(job, &selection->pipelines[i]->steps[j], selection->pipelines,
                    selection->count, diagnostics);
    run_command_check_expressions(job, diagnostics);
}

/* ------------------------------------------------------------------ run */

static bool threshold_crossed;

static bool run_command_core_step(
    struct run *run, const struct step *step, struct step_summary *result)
{
    bool good = simulate_run(run, step, result);

    if (result->simulate->present && !stop_requested() && !simulate_judge(run, step, result))
        threshold_crossed = true;
    return good;
}

/* Run the pipelines in order. After a failure only cleanup still runs; after a signal none does. */
static bool run_command_pipelines(struct run *run, const struct selection *selection)
{
    bool good = true;

    for (size_t i = 0; i < selection->count && !stop_requested(); i++) {
        const struct pipeline *pipeline = selection->pipelines[i];

        if (!good && strcmp(pipeline->name, "cleanup") != 0) {
            log_write(IOTIFY_LOG_WARNING, run->job->options->name,
                "%s is skipped because a step before it failed", pipeline->name);
            continue;
        }
        if (!pipeline_run(run, pipeline))
            good = false;
    }
    return good;
}

/* ------------------------------------------------------------------ the end of a run */

/* Append a word, quoted for the shell if necessary. */
static void run_command_add_word(const char *word, struct iotify_buffer *out)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,@%+-";

    if (*word && word[strspn(word, plain)] == '\0') {
        iotify_buffer_format(out, " %s", word);
        return;
    }
    iotify_buffer_string(out, " '");
    for (; *word; word++)
        iotify_buffer_format(out, *word == '\'' ? "'\\''" : "%c", *word);
    iotify_buffer_char(out, '\'');
}

static void run_command_print_resume(const struct options *options, const char *job)
{
    struct iotify_buffer command;

    iotify_buffer_init(&command, 1 << 16);
    for (int i = 1; i < options->argument_count; i++)
        run_command_add_word(options->arguments[i], &command);
    log_write(IOTIFY_LOG_WARNING, job,
        "interrupted; everything acknowledged is stored. To resume, run the same command: "
        "iotifyd%s",
        iotify_buffer_text(&command));
    iotify_buffer_clear(&command);
}

static int run_command_finish(
    const struct options *options, struct output *output, struct summary *summary, bool good)
{
    const char *kind = getenv("TERM");
    int signal = stop_requested();
    bool color = !options->no_color && isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && kind &&
                 strcmp(kind, "dumb") != 0;

    summary->exit_code = signal              ? 128 + signal
                         : !good             ? EXIT_STEP_FAILED
                         : threshold_crossed ? EXIT_THRESHOLD
                                             : EXIT_DONE;
    summary_end(summary);
    output_write(output, summary);
    /* The verdict is the last line, and knows whether the summary was written. */
    if (output->json != stdout) {
        summary_print(summary, stdout, color);
        fflush(stdout);
    }
    if (signal)
        run_command_print_resume(options, summary->job);
    return summary->exit_code;
}

/*
 * --from-service: write records of what the service has of the job, for the cleanup that follows.
 * Without --yes, only print the list. EXIT_DONE to continue.
 */
static int run_command_recover(const struct options *options, struct run *run)
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

/* --plan and --from-service. Sets `*over` when the pipelines must not run; returns the exit status.
 */
static int run_command_plan_first(
    const struct options *options, struct run *run, const struct selection *selection, bool *over)
{
    int status = EXIT_DONE;

    if (options->from_service)
        status = run_command_recover(options, run);
    else if (options->plan &&
             !planning_print(run, selection->pipelines, selection->count, options->json))
        status = EXIT_STEP_FAILED;
    /* Without --yes only the list was asked for, also when it is empty. */
    *over = status != EXIT_DONE || !run_command_sums_up(options);
    return *over && stop_requested() ? 128 + stop_requested() : status;
}

/* ------------------------------------------------------------------ outputs */

/* Nothing can be started: say so, and in the last line of the output, too. */
static int run_command_refuse(const struct options *options, const char *what, const char *why)
{
    FILE *stream = options->json && strcmp(options->json, "-") == 0 ? stderr : stdout;

    fprintf(stderr, "iotifyd: %s: %s\n", what, why);
    fprintf(stream, "FAILED: %s\n", what);
    return EXIT_STEP_FAILED;
}

/* EXIT_DONE, or another status after a message. */
static int run_command_open_output(const struct options *options, struct output *output)
{
    bool sums_up = run_command_sums_up(options);
    const struct output_options wanted = {.series = options->series,
        .json = sums_up ? options->json : NULL,
        .junit = sums_up ? options->junit : NULL,
        .report = sums_up ? options->report : NULL,
        .metrics_port = options->metrics_port,
        .metrics_linger = options->metrics_linger,
        .dashboard_port = sums_up ? options->dashboard_port : NULL};
    const char *why;
    char what[4200];

    switch (output_open(output, &wanted, what, sizeof(what), &why)) {
    case OUTPUT_OK:
        return EXIT_DONE;
    case OUTPUT_BAD_OPTION:
        fprintf(stderr, "iotifyd: %s: %s\n", what, why);
        return EXIT_USAGE;
    case OUTPUT_FAILED:
        break;
    }
    return run_command_refuse(options, what, why);
}

/* ------------------------------------------------------------------ the command */

/* Do the pipelines only remove what records name? */
static bool run_command_only_removes(const struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        for (size_t j = 0; j < selection->pipelines[i]->count; j++) {
            const struct iotify_action *action = selection->pipelines[i]->steps[j].action;

            if (!action || (action->scope != IOTIFY_SCOPE_RECORD && !action->removes))
                return false;
        }
    return true;
}

static enum run_access run_command_access(
    const struct options *options, const struct selection *selection)
{
    if (!run_command_sums_up(options))
        return RUN_READS;
    if (options->from_service)
        return RUN_RECOVERS;
    return run_command_only_removes(selection) ? RUN_REMOVES : RUN_WRITES;
}

static unsigned run_command_repair_mode(const struct options *options)
{
    unsigned mode = options->no_repair ? IOTIFY_REPAIR_NOTHING : 0;

    if (options->repair)
        mode |= IOTIFY_REPAIR_ALL;
    if (options->verify && strcmp(options->verify, "full") == 0)
        mode |= IOTIFY_REPAIR_VERIFY_ALL;
    return mode;
}

static void run_command_setup_progress(
    const struct options *options, const struct selection *selection)
{
    struct progress_options progress = {.quiet = options->quiet || options->solo,
        .only_log = options->log_format && strcmp(options->log_format, "json") == 0,
        .interval = options->progress_interval ? options->progress_interval : PROGRESS_INTERVAL};

    for (size_t i = 0; i < selection->count; i++)
        progress.steps += selection->pipelines[i]->count;
    progress_setup(&progress);
}

static int run_command_run_job(
    const struct options *options, const struct job *job, const struct selection *selection)
{
    struct output output;
    struct summary summary;
    struct call call;
    struct run run;
    bool good, over = false;
    int status = run_command_open_output(options, &output);

    if (status != EXIT_DONE) {
        output_close(&output);
        return status;
    }
    run_command_setup_progress(options, selection);
    summary_init(&summary, job->options->name);
    summary.job_digest = job_text_digest(job, &summary.arena);
    call_init(&call, job->options->name);
    good = run_open(&run, job, &summary, run_command_access(options, selection), &call);
    if (good) {
        run.core_step = run_command_core_step;
        output_begin(&output, &summary);
        run.output = &output;
        run.prune = options->prune;
        run.repair_mode = run_command_repair_mode(options);
        run.solo = selection->solo;
        status = run_command_plan_first(options, &run, selection, &over);
        if (!over)
            good = run_command_pipelines(&run, selection);
    } else {
        log_write(
            IOTIFY_LOG_ERROR, job->options->name, "%s", call_message(&call, IOTIFY_RESULT_FAILED));
        summary.reason = arena_string(&summary.arena, call_message(&call, IOTIFY_RESULT_FAILED));
    }
    if (run.abandoned) {
        status = run_command_finish(options, &output, &summary, false);
        output_linger(&output, &summary);
        fflush(stdout);
        /* A thread of the run still uses what would be freed. */
        _Exit(status);
    }
    run_close(&run);
    call_clear(&call);
    if (!output_end_live(&output)) {
        good = false;
        if (!summary.reason)
            summary.reason = arena_format(
                &summary.arena, "the series is not complete: cannot write %s", options->series);
    }
    if (over && status == EXIT_STEP_FAILED && run_command_sums_up(options)) {
        summary.reason = "what the job has in the account could not be listed and recorded";
        over = good = false;
    }
    if (!over) {
        status = run_command_finish(options, &output, &summary, good);
        output_linger(&output, &summary);
    }
    output_close(&output);
    summary_clear(&summary);
    return status;
}

/* Preview each template that the selected pipelines simulate. */
static int run_command_preview(
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

static int run_command_use_job(const struct options *options, const struct job *job,
    struct registry *registry, const struct selection *selection)
{
    struct iotify_buffer text;

    if (options->print) {
        job_text_format(job, &text);
        fputs(iotify_buffer_text(&text), stdout);
        iotify_buffer_clear(&text);
        return EXIT_DONE;
    }
    if (options->check) {
        printf("%s: OK\n", job->file);
        return EXIT_DONE;
    }
    if (options->preview)
        return run_command_preview(job, registry, selection);
    return run_command_run_job(options, job, selection);
}

/* Report the problems of all checks at once; without problems, do what the options ask for. */
static int run_command_check_and_use(const struct options *options, const struct job *job,
    struct registry *registry, struct selection *selection, struct diagnostics *diagnostics)
{
    int status;

    if (job->options && job->pipeline_count) {
        if (!select_make(job, options, selection))
            return load_report(job, diagnostics) == EXIT_STEP_FAILED ? EXIT_STEP_FAILED
                                                                     : EXIT_USAGE;
        /* --print works before the template exists. */
        if (!options->print)
            run_command_check_steps(job, selection, diagnostics);
    }
    status = load_report(job, diagnostics);
    if (!job->options)
        return status == EXIT_STEP_FAILED ? EXIT_STEP_FAILED : EXIT_USAGE;
    return status == EXIT_DONE ? run_command_use_job(options, job, registry, selection) : status;
}

/* Each output needs a file of its own. False after a message. */
static bool run_command_check_files(const struct options *options)
{
    const struct {
        const char *option, *file;
    } files[] = {{"--json", options->json}, {"--series", options->series},
        {"--junit", options->junit}, {"--report", options->report}};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (!files[i].file)
            continue;
        if (!*files[i].file) {
            fprintf(stderr, "iotifyd: %s needs a value\n", files[i].option);
            return false;
        }
        if (i > 0 && strcmp(files[i].file, "-") == 0) {
            fprintf(stderr, "iotifyd: %s takes a file; only --json can go to the standard output\n",
                files[i].option);
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (files[j].file && strcmp(files[i].file, files[j].file) == 0) {
                fprintf(stderr, "iotifyd: %s and %s cannot both write %s\n", files[j].option,
                    files[i].option, files[i].file);
                return false;
            }
        }
    }
    return true;
}

int command_run(const struct options *options)
{
    struct diagnostics diagnostics = {0};
    struct selection selection = {0};
    struct registry registry;
    struct job job;
    int status;

    if (options->word_count == 0) {
        options_print_help(stderr);
        return EXIT_USAGE;
    }
    if (options->from_service &&
        (options->word_count != 2 || strcmp(options->words[1], "cleanup") != 0)) {
        fprintf(stderr,
            "iotifyd: --from-service is valid only with cleanup: iotifyd %s cleanup "
            "--from-service\n",
            options->words[0]);
        return EXIT_USAGE;
    }
    if (options->verify && strcmp(options->verify, "fast") != 0 &&
        strcmp(options->verify, "full") != 0) {
        fprintf(stderr, "iotifyd: --verify takes fast or full, not %s\n", options->verify);
        return EXIT_USAGE;
    }
    if (options->repair && options->no_repair) {
        fprintf(stderr, "iotifyd: --repair and --no-repair exclude each other\n");
        return EXIT_USAGE;
    }
    if (!run_command_check_files(options))
        return EXIT_USAGE;
    if (options->metrics_linger && !options->metrics_port) {
        fprintf(stderr, "iotifyd: --metrics-linger is valid only with --metrics-port\n");
        return EXIT_USAGE;
    }
    if (options->yes && !options->from_service) {
        fprintf(stderr, "iotifyd: --yes is valid only with --from-service\n");
        return EXIT_USAGE;
    }
    load_read(options->words[0], options, &registry, &job, &diagnostics);
    status = run_command_check_and_use(options, &job, &registry, &selection, &diagnostics);
    select_clear(&selection);
    job_clear(&job);
    registry_clear(&registry);
    diagnostics_clear(&diagnostics);
    return status;
}
