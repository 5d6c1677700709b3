/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run of a job: the store, the connectors and what the steps share. Made by the main thread;
 * worker threads reach it through their calls.
 */
#ifndef CORE_PIPELINE_RUN_H
#define CORE_PIPELINE_RUN_H

#include <stdatomic.h>

#include "core/job/job.h"
#include "core/pipeline/pacer.h"
#include "core/report/summary.h"
#include "core/script/script.h"
#include "core/store/lease.h"

/* What a run knows of one connector. */
struct run_connection {
    const struct job_plugin *plugin;
    struct pacer *pacer; /* of the first connection with this plugin and realm */
    struct pacer *own_pacer;
    const char *realm; /* NULL until connected */
};

/* Counters of a step that its calls share. */
struct run_counters {
    atomic_llong retried, throttled;
};

/* The context of a call: set up by host_call(). */
struct run_context {
    struct run *run;
    struct run_connection *connection; /* NULL for calls of no connector */
    struct run_counters *counters;
    bool store_failed; /* the store did not take what the call wrote */
};

struct monitor_outputs;

struct run {
    const struct job *job;
    struct store *store;
    struct lease *lease;                /* NULL until a step may change what is recorded */
    struct run_connection *connections; /* one for each of the job's plugins; unused for others */
    struct summary *summary;
    struct script *script;       /* expands step settings; made when first needed */
    struct glob *glob;           /* what scripts see of the store; made when first needed */
    struct glob_port *glob_port; /* of `script` */
    /* Where the numbers of simulations go while they run; the program's, for its core steps. */
    struct monitor_outputs *outputs;
    /* Runs a core step; set by the program. Fills in `result`; false when it failed. */
    bool (*core_step)(struct run *run, const struct step *step, struct step_summary *result);
    int64_t solo;   /* simulate this client only, and say all about it; -1: all clients */
    bool prune;     /* deploy takes away the devices that the job has no more */
    bool planning;  /* nothing is written to the store by connectors */
    bool abandoned; /* a thread of the run cannot be ended; nothing of it may be freed */
    struct arena arena;
};

/*
 * Open the store, and check that it belongs to this job; with `looking` nothing is written to it.
 * False after a message in `call`. run_close() in either case.
 */
bool run_open(struct run *run, const struct job *job, struct summary *summary, bool looking,
    struct call *call);
void run_close(struct run *run);

/* Connect the connector unless it is already. */
enum iotify_result run_connect(struct run *run, const struct job_plugin *plugin, struct call *call);
/* Take the store's lease unless this run has it. */
enum iotify_result run_take_lease(struct run *run, struct call *call);

/* The machine that expands step settings. NULL after a log line. */
struct script *run_script(struct run *run);
/* What scripts see of the store. NULL after a log line. Main thread. */
struct glob *run_glob(struct run *run);

#endif
