/* SPDX-License-Identifier: Apache-2.0 */
/* What all event loops of one simulate step have in common; read-only while they run. */
#ifndef CORE_SIMULATE_SIMULATION_H
#define CORE_SIMULATE_SIMULATION_H

#include <pthread.h>

#include "core/pipeline/run.h"
#include "core/simulate/capture.h"
#include "core/simulate/load_profile.h"
#include "core/simulate/settings.h"
#include "core/template/template.h"

/* The kinds of failures that the log told of; shared by the loops. */
struct simulation_reported {
    pthread_mutex_t lock;
    struct arena arena;
    struct failure *failures;
};

struct simulation {
    struct run *run;
    const struct template_file *template;
    const struct simulate_options *options;
    const void *connection; /* the template's, with the endpoint filled in */
    void *transport;        /* the plugin's instance; NULL for `none` */
    int64_t first, clients;
    int64_t iterations; /* 0: no limit */
    struct load_profile load_profile;
    double publish_rate;     /* that the endpoint takes on one connection; 0: not known */
    struct capture *capture; /* NULL: nothing is captured */
    struct simulation_reported *reported;
    bool solo;                /* one client, and everything about it is printed */
    struct glob *glob;        /* what scripts see of the store */
    const char *settings;     /* of the run, as JSON, for scripts */
    const char *where;        /* for the log */
    pthread_barrier_t *ready; /* passed when every client's init is done */
};

#endif
