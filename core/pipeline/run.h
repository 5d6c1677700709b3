/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run of a job: the store, the connectors, and the state that the steps share. Created by the
 * main thread; worker threads access it through their calls.
 */
#ifndef CORE_PIPELINE_RUN_H
#define CORE_PIPELINE_RUN_H

#include <stdatomic.h>

#include "core/job/job.h"
#include "core/pipeline/pacer.h"
#include "core/report/summary.h"
#include "core/script/script.h"
#include "core/store/lease.h"

/* A connector in this run. */
struct run_connection {
    const struct job_plugin *plugin;
    struct pacer *pacer; /* shared by connectors with the same plugin and realm */
    struct pacer *own_pacer;
    const char *realm; /* account and region; NULL until connected */
};

/* Counters of a step, shared by its calls. */
struct run_counters {
    atomic_llong retried, throttled;
};

/* The context of a call: set up by host_call(). */
struct run_context {
    struct run *run;
    struct run_connection *connection; /* NULL when the plugin is not a connector */
    struct run_counters *counters;
    bool store_failed; /* the store could not be written */
    /* Set by host->later(): the pause in nanoseconds, -1 without one, and the stage. */
    int64_t later;
    int later_stage;
    bool repaired; /* by host->repaired() */
};

struct output;

struct run {
    const struct job *job;
    struct store *store;
    struct lease *lease;                /* NULL until a step may change records */
    struct run_connection *connections; /* one per plugin of the job; used for connectors only */
    struct summary *summary;
    struct script *script;       /* evaluates step settings; created on first use */
    struct glob *glob;           /* the glob for scripts; created on first use */
    struct glob_port *glob_port; /* of `script` */
    struct output *output;       /* where live numbers go; owned by the program */
    /* Run a core step; set by the program. Fills in `result`; false on failure. */
    bool (*core_step)(struct run *run, const struct step *step, struct step_summary *result);
    int64_t solo;         /* simulate this client only, with details; -1: all clients */
    unsigned repair_mode; /* a set of enum iotify_repair_mode */
    bool prune;           /* deploy removes the devices no longer in the job */
    bool planning;        /* connectors must not write to the store */
    bool abandoned;       /* a thread cannot be ended: nothing of the run may be freed */
    struct arena arena;
};

/* What a run does with the store. */
enum run_access {
    RUN_READS,    /* nothing is written */
    RUN_REMOVES,  /* as RUN_READS if the store has nothing of the job, else as RUN_WRITES */
    RUN_RECOVERS, /* the same, until run_begin_writes() */
    RUN_WRITES    /* a new store gets its seal and its owner */
};

/*
 * Open the store, check that it belongs to this job, and unseal it. False after a message in
 * `call`. run_close() in either case.
 */
bool run_open(struct run *run, const struct job *job, struct summary *summary,
    enum run_access access, struct call *call);
void run_close(struct run *run);
/* RUN_RECOVERS: write to the store from now on. False after a message in `call`. */
bool run_begin_writes(struct run *run, struct call *call);

/*
 * Connect a connector, unless it is connected. IOTIFY_RESULT_CONFLICT when the store has devices of
 * another account or region.
 */
enum iotify_result run_connect(struct run *run, const struct job_plugin *plugin, struct call *call);
/* Take the store's lease, unless this run holds it. */
enum iotify_result run_take_lease(struct run *run, struct call *call);

/* The script context that evaluates step settings. NULL after a log line. Main thread. */
struct script *run_script(struct run *run);
/* The glob for scripts. NULL after a log line. Main thread. */
struct glob *run_glob(struct run *run);

#endif
