/* SPDX-License-Identifier: Apache-2.0 */
/* The step `policy`, which creates the policy that all devices of a job share. */
#ifndef PLUGINS_AWS_SHARED_POLICY_H
#define PLUGINS_AWS_SHARED_POLICY_H

#include <iotify/plugin.h>

extern const struct iotify_action aws_policy_action;

#endif
