/* SPDX-License-Identifier: Apache-2.0 */
/* The step `device`, which creates a thing with its own certificate for each device. */
#ifndef PLUGINS_AWS_DEVICE_DEVICE_H
#define PLUGINS_AWS_DEVICE_DEVICE_H

#include <iotify/plugin.h>

extern const struct iotify_action aws_device_action;

#endif
