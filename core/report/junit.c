/* SPDX-License-Identifier: Apache-2.0 */
/* The summary as JUnit XML, for the test reports of CI systems. */
#include <string.h>

#include "core/base/clock.h"
#include "core/report/summary.h"

/* Long enough for each sentence; what is beyond is left out. */
#define SENTENCE_MAX (16 * 1024)

struct junit {
    const struct summary *summary;
    struct iotify_buffer cases;
    int tests, failures, errors;
};

/* The first `size` bytes. XML has no way to write most control characters. */
static void junit_escape(const char *text, size_t size, struct iotify_buffer *out)
{
    for (const char *end = text + size; text < end; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '<' || byte == '>' || byte == '&' || byte == '"' || byte == '\'')
            iotify_buffer_format(out, "&#%d;", byte);
        else if (byte == 0x7f || (byte < ' ' && byte != '\t' && byte != '\n'))
            iotify_buffer_string(out, "?");
        /* U+FFFE and U+FFFF are no characters of XML. */
        else if (byte == 0xef &&
                 (strncmp(text + 1, "\xbf\xbe", 2) == 0 || strncmp(text + 1, "\xbf\xbf", 2) == 0)) {
            iotify_buffer_string(out, "?");
            text += 2;
        } else
            iotify_buffer_append(out, text, 1);
    }
}

static void junit_attribute(const char *name, const char *value, struct iotify_buffer *out)
{
    iotify_buffer_format(out, " %s=\"", name);
    junit_escape(value, strlen(value), out);
    iotify_buffer_string(out, "\"");
}

/* `kind` is "failure" or "error", with the type; a NULL `sentence`: it passed. */
static void junit_case(struct junit *junit, const char *name, double seconds, const char *kind,
    const char *type, const char *sentence)
{
    struct iotify_buffer *out = &junit->cases;

    junit->tests++;
    iotify_buffer_string(out, "    <testcase");
    junit_attribute("classname", junit->summary->job, out);
    junit_attribute("name", name, out);
    iotify_buffer_format(out, " time=\"%.3f\"", seconds);
    if (!sentence) {
        iotify_buffer_string(out, "/>\n");
        return;
    }
    if (strcmp(kind, "error") == 0)
        junit->errors++;
    else
        junit->failures++;
    iotify_buffer_format(out, ">\n      <%s", kind);
    junit_attribute("type", type, out);
    iotify_buffer_string(out, " message=\"");
    junit_escape(sentence, strcspn(sentence, "\n"), out);
    iotify_buffer_string(out, "\"");
    iotify_buffer_string(out, ">");
    junit_escape(sentence, strlen(sentence), out);
    iotify_buffer_format(out, "</%s>\n    </testcase>\n", kind);
}

/* One line for each kind of failure. */
static void junit_reasons(const struct failure *failure, struct iotify_buffer *out)
{
    for (; failure; failure = failure->next)
        iotify_buffer_format(
            out, "\n%s × %lld: %s", failure->code, (long long)failure->count, failure->message);
}

static void junit_step(struct junit *junit, const struct step_summary *step)
{
    struct iotify_buffer name, sentence;
    bool failed;

    iotify_buffer_init(&name, SENTENCE_MAX);
    iotify_buffer_init(&sentence, SENTENCE_MAX);
    iotify_buffer_format(&name, "%s/%s", step->pipeline, step->name);
    failed = junit->summary->exit_code && summary_verdict_of_step(step, &sentence);
    if (failed && step->failures)
        junit_reasons(step->failures->next, &sentence);
    junit_case(junit, iotify_buffer_text(&name), step->seconds, "failure", "StepFailed",
        failed ? iotify_buffer_text(&sentence) : NULL);
    iotify_buffer_clear(&name);
    iotify_buffer_clear(&sentence);
}

/* "STEP: TEXT" where several steps may have the same. */
static void junit_name(const struct junit *junit, const struct simulate_summary *simulate,
    const char *text, struct iotify_buffer *name)
{
    const struct step_summary *step = junit->summary->steps, *own = NULL;
    size_t simulations = 0;

    for (; step; step = step->next) {
        simulations += step->simulate && step->simulate->present;
        if (step->simulate == simulate)
            own = step;
    }
    iotify_buffer_init(name, SENTENCE_MAX);
    if (simulations > 1 && own)
        iotify_buffer_format(name, "%s/%s: ", own->pipeline, own->name);
    iotify_buffer_string(name, text);
}

static void junit_threshold(struct junit *junit, const struct threshold_summary *threshold)
{
    struct iotify_buffer name, sentence;
    bool failed;

    junit_name(junit, threshold->simulate, threshold->expression, &name);
    iotify_buffer_init(&sentence, SENTENCE_MAX);
    failed = summary_verdict_of_threshold(threshold, &sentence);
    junit_reasons(threshold->simulate->tally.failures, &sentence);
    junit_case(junit, iotify_buffer_text(&name), 0, "failure", "ThresholdCrossed",
        failed ? iotify_buffer_text(&sentence) : NULL);
    iotify_buffer_clear(&name);
    iotify_buffer_clear(&sentence);
}

static void junit_account(struct junit *junit, const struct simulate_summary *simulate)
{
    const int64_t *counts = simulate->tally.counts;
    /* What was acknowledged and did not return is counted as both. */
    int64_t lost = counts[TALLY_LOST] - counts[TALLY_UNRETURNED];
    int64_t missing = counts[TALLY_PUBLISHED] - counts[TALLY_ACKNOWLEDGED] - lost;
    struct iotify_buffer name, sentence;

    junit_name(junit, simulate, "no message unaccounted", &name);
    iotify_buffer_init(&sentence, SENTENCE_MAX);
    iotify_buffer_format(&sentence,
        "FAILED: %lld messages are unaccounted: %lld published, %lld acknowledged, %lld lost",
        (long long)missing, (long long)counts[TALLY_PUBLISHED],
        (long long)counts[TALLY_ACKNOWLEDGED], (long long)lost);
    junit_case(junit, iotify_buffer_text(&name), 0, "failure", "Unaccounted",
        missing ? iotify_buffer_text(&sentence) : NULL);
    iotify_buffer_clear(&name);
    iotify_buffer_clear(&sentence);
}

/* What no step and no threshold says: interrupted, or not begun. */
static void junit_run(struct junit *junit)
{
    const struct summary *summary = junit->summary;
    bool ended = summary->exit_code > 128 || summary->reason;
    struct iotify_buffer verdict;

    iotify_buffer_init(&verdict, SENTENCE_MAX);
    summary_verdict(summary, &verdict);
    junit_case(junit, "the run ends by itself", summary->seconds, "error",
        summary->exit_code > 128 ? "Interrupted" : "NotRun",
        ended ? iotify_buffer_text(&verdict) : NULL);
    iotify_buffer_clear(&verdict);
}

static void junit_counts(const struct junit *junit, struct iotify_buffer *out)
{
    iotify_buffer_format(out, " tests=\"%d\" failures=\"%d\" errors=\"%d\" time=\"%.3f\"",
        junit->tests, junit->failures, junit->errors, junit->summary->seconds);
}

bool summary_write_junit(const struct summary *summary, FILE *stream)
{
    struct junit junit = {.summary = summary};
    struct iotify_buffer head;
    bool good;

    iotify_buffer_init(&junit.cases, 64u << 20);
    iotify_buffer_init(&head, SENTENCE_MAX);
    junit_run(&junit);
    for (const struct step_summary *step = summary->steps; step; step = step->next) {
        junit_step(&junit, step);
        if (step->simulate && step->simulate->present && step->simulate->transport &&
            strcmp(step->simulate->transport, "none") != 0)
            junit_account(&junit, step->simulate);
    }
    for (const struct threshold_summary *each = summary->thresholds; each; each = each->next)
        junit_threshold(&junit, each);
    iotify_buffer_string(&head, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    junit_attribute("name", summary->job, &head);
    junit_counts(&junit, &head);
    iotify_buffer_string(&head, ">\n  <testsuite");
    junit_attribute("name", summary->job, &head);
    junit_attribute("timestamp", summary->started, &head);
    junit_counts(&junit, &head);
    iotify_buffer_string(&head, ">\n");
    fprintf(stream, "%s%s  </testsuite>\n</testsuites>\n", iotify_buffer_text(&head),
        iotify_buffer_text(&junit.cases));
    good = fflush(stream) == 0 && !ferror(stream);
    iotify_buffer_clear(&head);
    iotify_buffer_clear(&junit.cases);
    return good;
}
