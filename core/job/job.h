/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job: what a job file says, checked, with every default filled in. Built in one go by
 * job_load(); read-only afterwards. One thread.
 */
#ifndef CORE_JOB_JOB_H
#define CORE_JOB_JOB_H

#include "core/plugin/registry.h"
#include "core/settings/schema.h"
#include "core/settings/tree.h"
#include "core/store/seal.h"

/* A step that the core itself knows, such as `simulate`. */
struct core_step {
    const char *name;
    const char *summary;
    const struct iotify_settings *settings;
};

struct job_plugin {
    const char *alias;
    const struct plugin *plugin;
    const struct node *node;  /* its mapping */
    struct location location; /* of its alias */
    void *options;
    bool valid;     /* its settings have no mistake */
    void *instance; /* connectors: opened by job_load(); else NULL */
};

struct step {
    const char *name; /* "aws.device", "simulate" */
    struct location location;
    const struct node *node;            /* its settings; may be NULL */
    struct job_plugin *owner;           /* NULL for a core step */
    const struct iotify_action *action; /* NULL for a core step */
    const struct core_step *core;       /* NULL for an action */
    const struct iotify_settings *settings;
    const void *options;
    struct schema_expression *expressions; /* settings that differ for each client */
    bool valid;                            /* its settings have no mistake */
};

struct pipeline {
    const char *name;
    bool is_default; /* brought by the connector, not written in the file */
    bool valid;      /* all of its steps could be made out */
    struct step *steps;
    size_t count;
};

struct job_options {
    const char *name;
    int64_t first, count;
    int64_t workers;
    struct seal_settings seal;
};

struct job {
    struct arena arena;
    const char *file;      /* as the user named it */
    const char *directory; /* of the file, absolute */
    struct binder binder;
    const struct job_options *options;
    bool valid; /* `options` have no mistake */
    struct job_plugin *plugins;
    size_t plugin_count;
    struct pipeline *pipelines;
    size_t pipeline_count;
    const struct pipeline **run; /* in order */
    size_t run_count;
    struct job_plugin *storage;   /* the alias `glob` */
    struct job_plugin *connector; /* the only one, or NULL */
    struct registry *registry;    /* for plugins that the job uses without naming them */
};

struct job_request {
    const char *file;
    const char *const *overrides; /* PATH=VALUE */
    size_t override_count;
    const struct core_step *core_steps;
    size_t core_step_count;
};

/*
 * Load and check the job; problems become diagnostics. True when there were none. Else the job can
 * be looked at as far as it goes, to find more mistakes, and must not be run.
 */
bool job_load(struct job *job, struct registry *registry, const struct job_request *request,
    struct diagnostics *diagnostics);
void job_clear(struct job *job);

/* May a job be called this? */
bool job_valid_name(const char *name);
/* The name of a job whose file has none in it, from the file's own name; in the arena. */
const char *job_default_name(struct arena *arena, const char *file);

const struct pipeline *job_pipeline(const struct job *job, const char *name);
struct job_plugin *job_plugin(const struct job *job, const char *alias);

/*
 * The whole effective job as YAML that reads as the same job. `more`: plugins that it uses and does
 * not name.
 */
void job_print(const struct job *job, const struct job_plugin *const *more, size_t more_count,
    struct iotify_buffer *out);

/* The keys of a job file besides its settings, for the schema and the reference. */
struct job_key {
    const char *name, *type, *help;
};
extern const struct job_key job_keys[];
extern const size_t job_key_count;

/* The settings of the job's own level, for the schema and the reference. */
extern const struct iotify_settings job_settings;

#endif
