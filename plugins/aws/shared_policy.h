/* SPDX-License-Identifier: Apache-2.0 */
/* The step `policy`, which creates the policy that all devices of a job share. */
#ifndef PLUGINS_AWS_SHARED_POLICY_H
#define PLUGINS_AWS_SHARED_POLICY_H

#include "plugins/aws/instance.h"

extern const struct iotify_action aws_policy_action;

/*
 * The policy that a job makes: `document`, or the default for NULL, with the account "*" while it
 * is unknown. The caller frees the text. Any thread.
 */
char *aws_policy_document(
    struct aws_instance *instance, struct iotify_call *call, const char *document);

#endif
