/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function of a connector, called for many clients on worker threads. Called on the main
 * thread, which expands the settings, shows the progress and takes back what no worker has begun
 * when a stop is asked for.
 */
#ifndef CORE_PIPELINE_FANOUT_H
#define CORE_PIPELINE_FANOUT_H

#include "core/pipeline/run.h"

/* What sets the pace of a step, from the calls that one client takes. */
struct fanout_pace {
    const char *operation; /* NULL: nothing does */
    double calls;          /* of that operation, a client */
    int64_t fresh;         /* clients that take them */
    struct pacer *pacer;
};

struct fanout_request {
    struct run *run;
    const struct step *step;
    const char *where; /* for the log */
    enum iotify_result (*function)(void *instance, struct iotify_call *call);
    bool expand; /* give it the step's settings, expanded */
    struct fanout_pace pace;
    struct step_summary *result; /* filled in */
    struct run_counters *counters;
};

void fanout_run(const struct fanout_request *request, const int64_t *clients, size_t count);

/* Seconds that `clients` take at the pace; 0 when nothing sets one. */
double fanout_seconds(const struct fanout_pace *pace, int64_t clients);

#endif
