/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. */
#ifndef CORE_CLI_OPTIONS_H
#define CORE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum command {
    COMMAND_RUN,
    COMMAND_INIT,
    COMMAND_PLUGINS,
    COMMAND_SCHEMA,
    COMMAND_GLOB,
    COMMAND_IAM
};

struct options {
    int argument_count; /* of the program, as they were given */
    char **arguments;
    enum command command;
    const char **words; /* what is no option: the job file, pipelines, a subcommand's words */
    size_t word_count;
    const char **overrides; /* --set */
    size_t override_count;
    const char *json, *series, *metrics_port, *solo;
    const char *log_format;
    const char *region, *profile, *devices; /* of init */
    bool plan, prune, from_aws, yes, preview;
    bool check, print, keep, quiet, verbose, no_color, version, help, reveal, force;
};

/* False after a message on stderr: bad usage. options_clear() in either case. */
bool options_parse(struct options *options, int count, char **arguments);
void options_clear(struct options *options);
/* What --help prints. */
extern const char options_help[];

#endif
