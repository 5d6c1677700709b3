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
#include "core/simulate/threshold.h"

#define ANSWER_MAX 128

struct init_answers {
    char file[4096], region[ANSWER_MAX], profile[ANSWER_MAX], devices[ANSWER_MAX];
};

/* Take an answer from the option, the terminal, or the default. False after a message: none. */
static bool init_ask(
    const char *option, const char *given, const char *question, const char *fallback, char *answer)
{
    size_t length;

    if (given) {
        snprintf(answer, ANSWER_MAX, "%s", given);
        return true;
    }
    snprintf(answer, ANSWER_MAX, "%s", fallback);
    if (!isatty(STDIN_FILENO)) {
        if (*fallback || strcmp(option, "--profile") == 0)
            return true;
        fprintf(stderr, "iotifyd: init needs %s where it cannot ask\n", option);
        return false;
    }
    fprintf(stderr, "%s%s%s%s: ", question, *fallback ? " [" : "", fallback, *fallback ? "]" : "");
    fflush(stderr);
    {
        char line[ANSWER_MAX];

        if (!fgets(line, sizeof(line), stdin)) {
            fprintf(stderr, "\niotifyd: no answer; nothing was written\n");
            return false;
        }
        length = strcspn(line, "\r\n");
        line[length] = '\0';
        if (length)
            memcpy(answer, line, length + 1);
    }
    return true;
}

static bool init_valid_word(const char *text)
{
    return text[strspn(text,
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@ -")] == '\0';
}

static bool init_gather(const struct options *options, struct init_answers *answers)
{
    const char *region = getenv("AWS_REGION");
    int64_t count;

    if (!region)
        region = getenv("AWS_DEFAULT_REGION");
    if (!init_ask(
            "--region", options->region, "AWS region", region ? region : "", answers->region) ||
        !init_ask("--profile", options->profile,
            "Profile of your AWS credentials (empty: environment or default)", "",
            answers->profile) ||
        !init_ask("--devices", options->devices, "Number of devices", "100", answers->devices))
        return false;
    if (!*answers->region || !init_valid_word(answers->region) || strchr(answers->region, ' ')) {
        fprintf(stderr, "iotifyd: invalid region \"%s\" (expected a name such as eu-central-1)\n",
            answers->region);
        return false;
    }
    if (!init_valid_word(answers->profile)) {
        fprintf(stderr, "iotifyd: invalid profile name \"%s\"\n", answers->profile);
        return false;
    }
    if (!value_parse_integer(answers->devices, &count) || count < 1 || count > VALUE_DEVICES_MAX) {
        fprintf(stderr, "iotifyd: invalid number of devices \"%s\" (expected 1 to %d)\n",
            answers->devices, VALUE_DEVICES_MAX);
        return false;
    }
    return true;
}

static void init_write_job(FILE *stream, const struct init_answers *answers)
{
    fprintf(stream, "# Run it:   iotifyd %s\n# Check it: iotifyd --check %s\n", answers->file,
        answers->file);
    fprintf(stream, "devices: %s\nplugins:\n  aws:\n    use: aws-iot\n    region: \"%s\"\n",
        answers->devices, answers->region);
    if (*answers->profile)
        fprintf(stream, "    profile: \"%s\"\n", answers->profile);
    fprintf(stream, "pipelines:\n  simulate:\n    - simulate:\n        template: aws_iotify.yaml\n"
                    "        # The run fails when one of these does not hold.\n"
                    "        thresholds:\n");
    for (size_t i = 0; i < threshold_default_count; i++)
        fprintf(stream, "          - %s\n", threshold_defaults[i]);
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

int command_init(const struct options *options)
{
    struct init_answers answers;
    struct diagnostics diagnostics = {0};
    struct registry registry;
    struct job job;
    int status;

    if (options->word_count > 1) {
        fprintf(stderr, "iotifyd: init takes one file at most\n");
        return EXIT_USAGE;
    }
    snprintf(answers.file, sizeof(answers.file), "%s",
        options->word_count ? options->words[0] : "job.yaml");
    if (!init_check_file(&answers, options->force))
        return EXIT_STEP_FAILED;
    if (!init_gather(options, &answers))
        return stop_requested() ? 128 + stop_requested() : EXIT_USAGE;
    if (!init_write_file(&answers, options->force))
        return EXIT_STEP_FAILED;
    fprintf(stderr, "wrote %s; next: iotifyd --check %s\n", answers.file, answers.file);
    status = load_job(answers.file, options, &registry, &job, &diagnostics);
    if (status == EXIT_DONE) {
        fprintf(stderr, "The IAM policy that the job needs, to paste into the console:\n");
        status = iam_policy_print(&job) ? EXIT_DONE : EXIT_STEP_FAILED;
    }
    job_clear(&job);
    registry_clear(&registry);
    diagnostics_clear(&diagnostics);
    return status;
}
