/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/exit_code.h"

const struct exit_code_entry exit_codes[] = {
    {.code = "0", .meaning = "all done, and all thresholds held"},
    {.code = "1", .meaning = "a step failed"},
    {.code = "2", .meaning = "bad usage or job file; nothing was started"},
    {.code = "99", .meaning = "a threshold or a limit was crossed"},
    {.code = "128+N", .meaning = "interrupted by signal N; the same command resumes"},
};
const size_t exit_code_count = sizeof(exit_codes) / sizeof(exit_codes[0]);
