/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step `remove_shared`, which deletes thing group, policy and thing type of the job unless
 * they are in use.
 */
#ifndef PLUGINS_AWS_REMOVE_SHARED_RESOURCES_H
#define PLUGINS_AWS_REMOVE_SHARED_RESOURCES_H

#include <iotify/plugin.h>

extern const struct iotify_action aws_remove_shared_action;

#endif
