/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template file: the device model. Read and checked once; read-only afterwards.
 */
#ifndef CORE_TEMPLATE_TEMPLATE_H
#define CORE_TEMPLATE_TEMPLATE_H

#include "core/job/job.h"
#include "core/script/script.h"

struct subscription {
    const char *text;
    struct location location;
};

struct template_file {
    struct arena arena;
    const char *file;                   /* as the user named it */
    const struct job_plugin *transport; /* NULL: `none`, the functions run without connecting */
    const void *connection;             /* the transport's option structures, before expansion */
    const void *publish;
    struct schema_expression *connection_expressions;
    struct schema_expression *publish_expressions;
    const struct node *connection_node;
    struct subscription *subscriptions;
    size_t subscription_count;
    struct script_code code[SCRIPT_FUNCTIONS];
    struct script_code library;
    struct script_stage *stages; /* in place of message() */
    size_t stage_count;
    const char *script; /* a file with functions; NULL: none */
    const char *data;   /* a file with a row for each client; NULL: none */
    struct location script_location, data_location;
    int64_t rows; /* of `data` */
    const char *folder;
    const struct job *job;
};

/*
 * Read `path`, shown as `file`, which must outlive template and diagnostics. `transport` overrides
 * what the template says (NULL: it decides). Functions and macros are compiled once, so that every
 * error is found here. False after diagnostics; template_clear() in either case.
 */
bool template_load(struct template_file *template, const struct job *job, const char *path,
    const char *file, const char *transport, struct diagnostics *diagnostics);
/* One key of a template file. The functions come first, in the order of enum script_function. */
struct template_key {
    const char *name;
    const char *type; /* in words, for the reference */
    const char *help; /* a phrase */
};
extern const struct template_key template_keys[];
extern const size_t template_key_count;

/* The transport of templates that name none. */
#define TEMPLATE_TRANSPORT "mqtt"
/*
 * The transport of this name: an alias of the job, or else the plugin of this name with its
 * defaults, which needs no entry under `plugins:`. In `arena`. NULL for `none`, and after a
 * diagnostic at `location`; where a plugin file was refused, registry.refused says so instead.
 */
const struct job_plugin *template_transport(const struct job *job, const char *name,
    struct location location, struct arena *arena, struct diagnostics *diagnostics);
/* The name of the transport that a template file asks for; in `arena`. */
const char *template_transport_name(struct arena *arena, const char *path);
void template_clear(struct template_file *template);

/* The facts that the template knows, for a machine of its own. */
void template_facts(const struct template_file *template, struct script_facts *facts);
/* Bring all of its code and data into a machine; false after a diagnostic. */
bool template_compile(
    const struct template_file *template, struct script *script, struct diagnostics *diagnostics);

#endif
