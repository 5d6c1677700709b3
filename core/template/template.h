/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template file: the device model. Loaded and checked once, on the main thread; read-only
 * afterwards, for all threads.
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
    const char *digest;                 /* of its text; see digest_text() */
    const struct job_plugin *transport; /* NULL: `none`, the functions run without a connection */
    const void *connection;             /* the transport's options, before expressions are
                                         * evaluated */
    const void *publish;
    struct schema_expression *connection_expressions;
    struct schema_expression *publish_expressions;
    const struct node *connection_node;
    struct subscription *subscriptions;
    size_t subscription_count;
    bool cannot_subscribe; /* the transport has no subscriptions: those of the template are left out
                            */
    struct script_code code[SCRIPT_FUNCTIONS];
    struct script_code library;
    struct script_stage *stages; /* used instead of message() */
    size_t stage_count;
    const char *script; /* a file with functions; NULL: none */
    const char *data;   /* a file with one row per client; NULL: none */
    struct location script_location, data_location;
    int64_t rows; /* of `data` */
    const char *folder;
    const struct job *job;
};

/*
 * Load the template file `path`, shown as `file`; `file` must outlive template and diagnostics.
 * `transport` overrides the template's setting (NULL: it does not). Functions and expressions are
 * compiled once, so that their errors are found here. False after diagnostics, or when a plugin
 * file was refused (registry.refused). End it with template_clear() in either case.
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

/* The transport of templates without the setting. */
#define TEMPLATE_TRANSPORT "mqtt"
/*
 * Find a transport: an alias of the job, else the plugin of this name with default settings, which
 * does not have to be listed under `plugins:`. Allocated in `arena`. NULL for `none`, after a
 * diagnostic at `location`, or when a plugin file was refused (registry.refused).
 */
const struct job_plugin *template_transport(const struct job *job, const char *name,
    struct location location, struct arena *arena, struct diagnostics *diagnostics);
/* The name of the transport that a template file selects; in `arena`. */
const char *template_transport_name(struct arena *arena, const char *path);
void template_clear(struct template_file *template);

/*
 * Fill in the facts that the template determines; the strings belong to the template and its job.
 */
void template_facts(const struct template_file *template, struct script_facts *facts);
/* Load all code and data of the template into `script`; false after a diagnostic. */
bool template_compile(
    const struct template_file *template, struct script *script, struct diagnostics *diagnostics);

#endif
