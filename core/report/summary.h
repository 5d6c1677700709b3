/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The results of a run: collected while it runs, printed at its end as text and as JSON. Filled in
 * by one thread; texts are copied, except `scope`.
 */
#ifndef CORE_REPORT_SUMMARY_H
#define CORE_REPORT_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <iotify/buffer.h>
#include <jansson.h>

#include "core/base/arena.h"
#include "core/report/tally.h"

/* What scripts cost the store. */
struct glob_summary {
    int64_t blocking; /* calls that waited for the store */
    double blocking_seconds;
    int64_t failed;  /* writes that failed */
    char error[512]; /* of the first failed write */
};

/* What a stage was to reach and what it reached: clients at its end, or messages in it. */
struct stage_summary {
    const char *name; /* NULL: none */
    double seconds;
    double storm; /* share of the connections that is dropped at its start */
    bool clients; /* else messages */
    int64_t intended, reached;
};

struct simulate_summary {
    bool present;
    const char *name, *template, *template_digest, *transport; /* NULL in a sum of steps */
    char started[32];
    int64_t seed;
    struct tally tally;
    double seconds;
    double planned; /* seconds that it takes by its settings; 0: as long as its messages take */
    double cpu;     /* cores, over the whole step */
    double busy;    /* share of time in which the busiest loop did not sleep */
    bool saturated; /* this machine was the bottleneck: latencies include its own delay */
    const char *aborted; /* the threshold that ended it; NULL: none */
    double aborted_value;
    bool verified; /* with `verify: end_to_end` */
    struct glob_summary glob;
    struct stage_summary *stages;
    size_t stage_count;
    /* The counters by stage, from 1, for metrics; [0]: outside of the stages. */
    int64_t (*by_stage)[TALLY_COUNTS];
    size_t by_stage_count;
};

/* Calls of one operation of a service, such as CreateThing, in a step. */
struct call_summary {
    const char *operation;
    int64_t count, throttled, retried;
    double quota; /* calls per second: the account's, or what is assumed; 0: none */
    struct call_summary *next;
};

struct step_summary {
    const char *pipeline, *step, *scope;
    const char *name; /* "simulate", "simulate 2"; see summary_name_step() */
    int64_t total, ok, repaired, failed, retried, throttled;
    int64_t unchanged; /* up to date before */
    int64_t skipped;   /* not begun, because the step ended before */
    char started[32];
    double seconds;
    struct failure *failures;
    struct call_summary *calls;
    struct simulate_summary *simulate; /* of a simulate step; NULL for others */
    struct step_summary *next;
};

struct threshold_summary {
    const struct simulate_summary *simulate; /* whose results it is about */
    const char *expression;
    double value;           /* NAN: nothing was measured */
    bool is_time;           /* the value is in seconds */
    bool is_one_of_several; /* the run has other simulations: the name is said with it */
    bool ok;
    const char *why;
    struct threshold_summary *next;
};

/* The longest verdict. */
#define SUMMARY_VERDICT_MAX (1 << 17)

/* Exit codes that the summary puts into words. */
enum { SUMMARY_STEP_FAILED = 1, SUMMARY_CROSSED = 99 };

struct summary {
    struct arena arena;
    const char *job;
    const char *job_digest; /* of the effective job, as --print shows it */
    char run[17];           /* identifies the run: random hexadecimal digits */
    char started[32], ended[32];
    int64_t began; /* clock_now() */
    double seconds;
    int exit_code;
    const char *reason; /* why nothing could be started; NULL otherwise */
    struct step_summary *steps;
    struct simulate_summary simulate; /* of all simulate steps together */
    struct threshold_summary *thresholds;
};

/*
 * Append the verdict, one line without its end: PASSED or FAILED, and why in words.
 */
void summary_verdict(const struct summary *summary, struct iotify_buffer *out);
/* The same of one step of a run that failed, or of one threshold; false when it did not fail. */
bool summary_verdict_of_step(const struct step_summary *step, struct iotify_buffer *out);
bool summary_verdict_of_threshold(
    const struct threshold_summary *threshold, struct iotify_buffer *out);
/* The value of a threshold with its unit; `text` has QUANTITY_SIZE bytes. */
void summary_value_of_threshold(const struct threshold_summary *threshold, char *text);
void summary_init(struct summary *summary, const char *job);
void summary_clear(struct summary *summary);

/* Append a step; `scope` must outlive the summary. */
struct step_summary *summary_add_step(
    struct summary *summary, const char *pipeline, const char *step, const char *scope);
/*
 * Name a step; the name gets a number if an earlier step of the pipeline has it, or an earlier
 * simulation and this is one, too.
 */
void summary_name_step(struct summary *summary, struct step_summary *step, const char *name);
/* Count a failure under its code; `client` is -1 for the whole job. */
void summary_add_failure(struct summary *summary, struct failure **list, const char *code,
    const char *message, int64_t client);
/* Allocate the results of a simulate step; add them to the total when it has ended. */
struct simulate_summary *summary_begin_simulate(struct summary *summary, struct step_summary *step);
void summary_end_simulate(struct summary *summary, const struct simulate_summary *results);
/* Append a copy of a threshold; `why` explains why it does not hold, "": nothing to add. */
void summary_add_threshold(struct summary *summary, const struct threshold_summary *threshold);

/* The run is over: take the time. Before it is printed or written. */
void summary_end(struct summary *summary);

/* Print the summary as text. */
void summary_print(const struct summary *summary, FILE *stream, bool color);
/*
 * The summary as JSON, of the format iotify-summary/2. The caller releases it with json_decref().
 * With a `width` above 1, so many buckets of a histogram become one: less accurate, and faster.
 */
json_t *summary_to_json(const struct summary *summary, size_t width);
/* Write the summary as JSON, or as JUnit XML. False and errno on failure. */
bool summary_write_json(const struct summary *summary, FILE *stream);
bool summary_write_junit(const struct summary *summary, FILE *stream);

#endif
