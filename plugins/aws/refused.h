/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy that a job makes does not allow its devices. */
#ifndef PLUGINS_AWS_REFUSED_H
#define PLUGINS_AWS_REFUSED_H

#include "plugins/aws/instance.h"

/* The operation `refused` of the connector; see iotify/connector.h. */
const char *aws_refused(void *given, struct iotify_call *call, enum iotify_request request,
    const char *client_id, const char *topic);

#endif
