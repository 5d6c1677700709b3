/* The subcommands. Each returns the program's exit status and prints its own errors. */
#ifndef CORE_CLI_COMMANDS_H
#define CORE_CLI_COMMANDS_H

#include "core/cli/options.h"
#include "core/job/job.h"

enum { EXIT_DONE = 0, EXIT_STEP_FAILED = 1, EXIT_USAGE = 2, EXIT_THRESHOLD = 99 };

/* The steps that the core itself knows. */
extern const struct core_step core_steps[];
extern const size_t core_step_count;

/*
 * Load the job file that the command line names. EXIT_DONE, or the exit status after messages.
 * The caller clears job and registry in either case.
 */
int load_job(const char *file, const struct options *options, struct registry *registry,
    struct job *job, struct diagnostics *diagnostics);

int command_plugins(const struct options *options);
int command_schema(const struct options *options);
int command_glob(const struct options *options);
int command_init(const struct options *options);
int command_iam_policy(const struct options *options);

/* Print the permissions that the job needs, as its connector writes them. False after an error. */
bool grant_print(const struct job *job);

#endif
