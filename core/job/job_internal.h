/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the parts that load a job: job_load.c, job_settings.c, job_pipelines.c and job_open.c.
 * One thread.
 */
#ifndef CORE_JOB_JOB_INTERNAL_H
#define CORE_JOB_JOB_INTERNAL_H

#include "core/job/job.h"

/* The default value of `run:`. */
#define JOB_LOADER_RUN_COUNT 3
extern const char *const job_loader_run[JOB_LOADER_RUN_COUNT];

struct job_loader {
    struct job *job;
    struct registry *registry;
    const struct job_request *request;
    struct diagnostics *diagnostics;
    struct node *root; /* of the job file; defaults and --set are applied to it */
};

/* The start of the job file, for an error that no line of the file causes. */
struct location job_loader_root_location(const struct job_loader *loader);

/* Bind the job's own settings: name, devices, workers, seal. */
void job_loader_bind_settings(struct job_loader *loader);

/* Add the connector's default pipelines, and the default `run:`, to the tree. */
void job_loader_fill_in_pipelines(struct job_loader *loader);
void job_loader_fill_in_run(struct job_loader *loader);
/* Bind all pipelines of the tree, then `run:`. */
void job_loader_bind_pipelines(struct job_loader *loader);
void job_loader_bind_run(struct job_loader *loader);

/*
 * Open an instance of each connector and call the `prepare` of each action, so that the plugins
 * report their own errors. This has side effects. job_clear() closes the instances.
 */
void job_loader_open(struct job_loader *loader);
/* Report two steps that would store to the same glob keys. */
void job_loader_check_glob_keys(struct job_loader *loader);

#endif
