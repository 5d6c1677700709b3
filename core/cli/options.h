/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: its tables and its parser. Main thread; the tables are constant. */
#ifndef CORE_CLI_OPTIONS_H
#define CORE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum command {
    COMMAND_RUN,
    COMMAND_INIT,
    COMMAND_PLUGINS,
    COMMAND_SCHEMA,
    COMMAND_GLOB,
    COMMAND_IAM,
    COMMAND_IMPORT,
    COMMAND_REPORT,
    COMMAND_COMPARE
};

/* The values of an option that can be repeated. */
struct options_list {
    const char **items;
    size_t count;
};

struct options {
    int argument_count; /* argc and argv of the program */
    char **arguments;
    enum command command;
    const char **words; /* not options: the job file, pipelines, a command's own words */
    size_t word_count;
    struct options_list overrides, limits; /* --set, --limit */
    struct options_list plugin_path;
    const char *json, *junit, *series, *report, *metrics_port, *dashboard_port, *solo, *verify;
    int64_t metrics_linger, progress_interval; /* nanoseconds; 0: not given */
    const char *log_format;
    const char *region, *profile, *devices; /* of init */
    const char *output;                     /* of import, report and plugins */
    const char *language;                   /* of plugins new */
    const char *test_case;                  /* of plugins test */
    bool plan, prune, no_repair, repair, from_service, yes, preview;
    bool check, print, keep, quiet, verbose, no_color, version, help, reveal, force, debug,
        durability;
};

/*
 * Parse the command line; strings are not copied. False after a message on stderr. The caller calls
 * options_clear() in either case.
 */
bool options_parse(struct options *options, int count, char **arguments);
void options_clear(struct options *options);

/* ------------------------------------------------------------------ the tables */

/* A bit per command. */
#define OPTIONS_FOR(command) (1u << (command))

enum options_kind { OPTIONS_FLAG, OPTIONS_VALUE, OPTIONS_TIME, OPTIONS_LIST };

/* One option. The parser, --help, the manual page and the completions use this table. */
struct options_entry {
    const char *name, *short_name; /* "--quiet", "-q" or NULL */
    size_t offset;                 /* in struct options */
    enum options_kind kind;
    unsigned commands;    /* OPTIONS_FOR() of each command that accepts it */
    const char *argument; /* name of its value, for help; NULL: a flag */
    const char *help;     /* a phrase */
};
extern const struct options_entry options_table[];
extern const size_t options_count;

/* One command; COMMAND_RUN has no word. */
struct options_command {
    enum command command;
    const char *word;
    const char *synopsis; /* what follows the word */
    const char *help;     /* a phrase */
};
extern const struct options_command options_commands[];
extern const size_t options_command_count;

/* What --help prints. */
void options_print_help(FILE *stream);

#endif
