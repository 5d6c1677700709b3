/* SPDX-License-Identifier: Apache-2.0 */
/* The steps `thing_type` and `thing_group`, which create what all devices of a job share. */
#ifndef PLUGINS_AWS_SHARED_RESOURCES_H
#define PLUGINS_AWS_SHARED_RESOURCES_H

#include <iotify/plugin.h>

extern const struct iotify_action aws_thing_type_action;
extern const struct iotify_action aws_thing_group_action;

#endif
