/*
 * The simulation engine: one event loop with its share of the clients, its script machine and
 * its transport engine, on a thread of its own. Engines share nothing but the template, the
 * barrier after init and the counters that the main thread reads.
 */
#ifndef CORE_SIMULATE_ENGINE_H
#define CORE_SIMULATE_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/pipeline/run.h"
#include "core/simulate/settings.h"
#include "core/template/template.h"

/* What all engines of one step have in common; read-only while they run. */
struct plan {
    struct run *run;
    const struct template_file *template;
    const struct simulate_options *options;
    const void *connection; /* the template's, with the endpoint filled in */
    void *transport;        /* the plugin's instance; NULL for `none` */
    int64_t first, clients;
    int64_t iterations;       /* 0: no limit */
    const char *where;        /* for the log */
    pthread_barrier_t *ready; /* passed when every client's init is done */
};

/* Read by the main thread while the engine runs. */
struct live {
    atomic_llong connected, published, acknowledged, received, failed, finished;
};

struct engine;

/* An engine for the clients first + share, first + share + shares, …. */
struct engine *engine_new(const struct plan *plan, int64_t share, int64_t shares);
/* Start the thread; false when there is none to be had. */
bool engine_start(struct engine *engine);
const struct live *engine_live(const struct engine *engine);
bool engine_finished(const struct engine *engine);
/* Ask to begin no more and to finish what is in flight. Any thread. */
void engine_stop(struct engine *engine);
/* Since when, by clock_now(), a script is at work; 0 when none is. Any thread. */
int64_t engine_busy_since(const struct engine *engine);
/*
 * Wait for the thread, and add the results to those of its step; texts are kept by `summary`.
 * False: it could not be set up.
 */
bool engine_join(struct engine *engine, struct summary *summary, struct simulate_summary *results);
void engine_free(struct engine *engine);

#endif
