/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/exit_code.h"

const struct exit_code_entry exit_codes[] = {
    {"0", "all done, and all thresholds held"},
    {"1", "a step failed"},
    {"2", "bad usage or job file; nothing was started"},
    {"99", "a threshold was crossed"},
    {"128+N", "interrupted by signal N; the same command resumes"},
};
const size_t exit_code_count = sizeof(exit_codes) / sizeof(exit_codes[0]);
