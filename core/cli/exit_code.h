/* SPDX-License-Identifier: Apache-2.0 */
/* The program's exit status; 128 + N after signal N. Constant data. */
#ifndef CORE_CLI_EXIT_CODE_H
#define CORE_CLI_EXIT_CODE_H

#include <stddef.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_STEP_FAILED = 1,
    EXIT_USAGE = 2, /* bad usage or job file: nothing was started */
    EXIT_THRESHOLD = 99
};

/* A status and its meaning, for --help and the reference. */
struct exit_code_entry {
    const char *code, *meaning;
};
extern const struct exit_code_entry exit_codes[];
extern const size_t exit_code_count;

#endif
