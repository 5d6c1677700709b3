/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job: the content of a job file, checked, with all defaults filled in. Built by job_load();
 * read-only afterwards. One thread.
 */
#ifndef CORE_JOB_JOB_H
#define CORE_JOB_JOB_H

#include "core/plugin/registry.h"
#include "core/settings/schema.h"
#include "core/settings/tree.h"
#include "core/store/seal.h"

/* A step of the core itself, such as `simulate`. */
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
    bool valid;     /* its settings have no errors */
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
    struct schema_expression *expressions; /* settings that are evaluated for each device */
    bool valid;                            /* its settings have no errors */
};

struct pipeline {
    const char *name;
    bool is_default; /* defined by the connector, not in the file */
    bool valid;      /* all of its steps are valid */
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
    bool valid; /* `options` have no errors */
    struct job_plugin *plugins;
    size_t plugin_count;
    struct pipeline *pipelines;
    size_t pipeline_count;
    const struct pipeline **run; /* in order */
    size_t run_count;
    struct job_plugin *storage;   /* the alias `glob` */
    struct job_plugin *connector; /* the only one, or NULL */
    struct registry *registry;    /* for plugins that the job uses without listing them */
};

struct job_request {
    const char *file;
    const char *const *overrides; /* PATH=VALUE */
    size_t override_count;
    const struct core_step *core_steps;
    size_t core_step_count;
};

/*
 * Load and check the job; errors become diagnostics. True when the job can run. False after
 * diagnostics, or when a plugin file was refused (registry.refused). After false the job may be
 * inspected as far as it was loaded, to find more errors, but must not run. End it with job_clear()
 * in either case.
 */
bool job_load(struct job *job, struct registry *registry, const struct job_request *request,
    struct diagnostics *diagnostics);
void job_clear(struct job *job);

/* True for 1 to 64 letters, digits and ._- that do not start with a dot. */
bool job_valid_name(const char *name);
/* The default name of a job, derived from the name of its file; in the arena. */
const char *job_default_name(struct arena *arena, const char *file);

const struct pipeline *job_pipeline(const struct job *job, const char *name);
struct job_plugin *job_plugin(const struct job *job, const char *alias);

/*
 * Append the effective job as YAML that loads as the same job. `more`: plugins that it uses without
 * listing them.
 */
void job_print(const struct job *job, const struct job_plugin *const *more, size_t more_count,
    struct iotify_buffer *out);

/* The keys of a job file besides its settings, for the schema and the reference. */
struct job_key {
    const char *name, *type, *help;
};
extern const struct job_key job_keys[];
extern const size_t job_key_count;

/* The top-level settings of a job file, for the schema and the reference. */
extern const struct iotify_settings job_settings;

#endif
