/*
 * What a run did: collected while it runs, shown at its end as text and as JSON.
 * Filled in by one thread; texts are copied.
 */
#ifndef CORE_REPORT_SUMMARY_H
#define CORE_REPORT_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/arena.h"
#include "core/report/histogram.h"

/* One way to fail, with how often. */
struct failure {
    const char *code;
    const char *message; /* of the first */
    int64_t count;
    int64_t first_client; /* -1: none */
    struct failure *next;
};

struct simulate_summary {
    bool present;
    int64_t clients, connected, published, acknowledged, received, failed, abandoned, lost;
    int64_t duplicates, reconnects;
    double seconds;
    struct histogram connect, publish, end_to_end; /* nanoseconds */
    bool saturated;
    double cpu; /* cores */
    struct histogram lag;
    struct failure *failures;
};

struct step_summary {
    const char *pipeline, *step, *scope;
    int64_t total, ok, failed, skipped, retried, throttled;
    double seconds;
    struct failure *failures;
    struct simulate_summary *simulate; /* of a simulate step; NULL for others */
    struct step_summary *next;
};

struct threshold_summary {
    const char *expression;
    double value;
    bool ok;
    struct threshold_summary *next;
};

struct summary {
    struct arena arena;
    const char *job;
    char started[32];
    int64_t began; /* clock_now() */
    int exit_code;
    struct step_summary *steps;
    struct simulate_summary simulate; /* of all simulate steps together */
    struct threshold_summary *thresholds;
};

void summary_init(struct summary *summary, const char *job);
void summary_clear(struct summary *summary);

/* A new step at the end of the list. */
struct step_summary *summary_add_step(
    struct summary *summary, const char *pipeline, const char *step, const char *scope);
/* Count a failure under its code. */
void summary_add_failure(struct summary *summary, struct failure **list, const char *code,
    const char *message, int64_t client);
/* The same for all that another list counted under a code. */
void summary_add_failures(
    struct summary *summary, struct failure **list, const struct failure *from);
/* Make room for the results of a simulate step, and add them to the total when it is over. */
struct simulate_summary *summary_begin_simulate(struct summary *summary, struct step_summary *step);
void summary_end_simulate(struct summary *summary, const struct simulate_summary *results);
void summary_add_threshold(struct summary *summary, const char *expression, double value, bool ok);

/* For people: a few lines. */
void summary_print(const struct summary *summary, FILE *stream, bool color);
/* For machines; false when the file cannot be written (errno). "-" is the standard output. */
bool summary_write_json(const struct summary *summary, const char *path);

#endif
