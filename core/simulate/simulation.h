/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all loops of one simulate step share. Read-only while they run; `reported`, `capture` and
 * `glob` have their own locks.
 */
#ifndef CORE_SIMULATE_SIMULATION_H
#define CORE_SIMULATE_SIMULATION_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/pipeline/run.h"
#include "core/simulate/capture.h"
#include "core/simulate/load_profile.h"
#include "core/simulate/settings.h"
#include "core/template/template.h"

/*
 * The kinds of failures that are in the log, so that each is logged once for all loops; and what
 * the transport did against its contract, which ends the simulation.
 */
struct simulation_reported {
    pthread_mutex_t lock;
    struct arena arena;
    struct failure *failures;
    char fault[512];
    atomic_bool faulted; /* `fault` is set, and does not change any more */
};

struct simulation {
    struct run *run;
    const struct template_file *template;
    const struct simulate_options *options;
    const void *connection;   /* the template's, with the endpoint filled in */
    void *transport_instance; /* of the plugin; NULL for `none` */
    int64_t first, clients;
    int64_t iterations; /* 0: no limit */
    struct load_profile load_profile;
    size_t payload_max;      /* bytes of a payload that the endpoint takes; 0: unknown */
    double publish_rate;     /* messages per second that one connection may send; 0: unknown */
    struct capture *capture; /* NULL: nothing is captured */
    struct simulation_reported *reported;
    struct console *console;  /* what scripts may log */
    bool solo;                /* one client, and everything about it is printed */
    struct client_ids *ids;   /* NULL: the template gives each client an id of its own */
    struct glob *glob;        /* the job's key-value store, as scripts see it */
    const char *settings;     /* JSON for getRunSettings() of scripts */
    const char *where;        /* "JOB/STEP", for the log */
    pthread_barrier_t *ready; /* the loops wait here after init() */
};

#endif
