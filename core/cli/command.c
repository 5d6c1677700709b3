/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/command.h"

#include <stdio.h>

#include "core/cli/compare.h"
#include "core/cli/exit_code.h"
#include "core/cli/glob.h"
#include "core/cli/iam_policy.h"
#include "core/cli/import.h"
#include "core/cli/init.h"
#include "core/cli/json_schema.h"
#include "core/cli/plugins.h"
#include "core/cli/report.h"
#include "core/cli/run.h"
#include "core/cli/version.h"

int command_dispatch(const struct options *options)
{
    if (options->help) {
        options_print_help(stdout);
        return EXIT_DONE;
    }
    if (options->version) {
        version_print();
        return EXIT_DONE;
    }
    switch (options->command) {
    case COMMAND_INIT:
        return command_init(options);
    case COMMAND_PLUGINS:
        return command_plugins(options);
    case COMMAND_SCHEMA:
        return command_schema(options);
    case COMMAND_GLOB:
        return command_glob(options);
    case COMMAND_IAM:
        return command_iam_policy(options);
    case COMMAND_IMPORT:
        return command_import(options);
    case COMMAND_REPORT:
        return command_report(options);
    case COMMAND_COMPARE:
        return command_compare(options);
    case COMMAND_RUN:
        break;
    }
    return command_run(options);
}
