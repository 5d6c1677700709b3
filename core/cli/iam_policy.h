/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `iotifyd iam-policy JOB.yaml`: the minimal IAM policy for the job, as JSON. Main thread;
 * offline.
 */
#ifndef CORE_CLI_IAM_POLICY_H
#define CORE_CLI_IAM_POLICY_H

#include "core/cli/options.h"
#include "core/job/job.h"

/* Returns the exit status; errors are printed to stderr. */
int command_iam_policy(const struct options *options);

/* Print the policy document of each connector of the job. False after a message on stderr. */
bool iam_policy_print(const struct job *job);

#endif
