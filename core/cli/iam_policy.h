/* SPDX-License-Identifier: Apache-2.0 */
/* `iotifyd iam-policy JOB.yaml`: the least IAM policy that the job needs, as JSON. */
#ifndef CORE_CLI_IAM_POLICY_H
#define CORE_CLI_IAM_POLICY_H

#include "core/cli/options.h"
#include "core/job/job.h"

/* The exit status; errors are printed to stderr. */
int command_iam_policy(const struct options *options);

/* Print the permissions that the job needs, as its connector writes them. False after an error. */
bool iam_policy_print(const struct job *job);

#endif
