/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls one function of a connector for many clients, on worker threads. fanout_run() is called on
 * the main thread, which evaluates the settings and shows the progress; when a stop is requested,
 * it drops the calls that no worker has started.
 */
#ifndef CORE_PIPELINE_FANOUT_H
#define CORE_PIPELINE_FANOUT_H

#include "core/pipeline/run.h"

/* The operation that limits a step's speed, from the calls that one client needs. */
struct fanout_pace {
    const char *operation; /* NULL: no limit */
    double calls;          /* of that operation, per client */
    int64_t fresh;         /* clients that need these calls */
    struct pacer *pacer;
};

struct fanout_request {
    struct run *run;
    const struct step *step;
    const char *where; /* for the log */
    enum iotify_result (*function)(void *instance, struct iotify_call *call);
    bool expand; /* pass the step's settings, evaluated for the client */
    struct fanout_pace pace;
    struct step_summary *result; /* filled in by fanout_run() */
    struct run_counters *counters;
};

void fanout_run(const struct fanout_request *request, const int64_t *clients, size_t count);

/* The seconds that `clients` take at this pace; 0 when there is no limit. */
double fanout_seconds(const struct fanout_pace *pace, int64_t clients);

#endif
