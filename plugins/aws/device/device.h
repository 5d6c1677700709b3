/* SPDX-License-Identifier: Apache-2.0 */
/* The step `device`: a thing with a certificate of its own for each client. */
#ifndef PLUGINS_AWS_DEVICE_DEVICE_H
#define PLUGINS_AWS_DEVICE_DEVICE_H

#include <iotify/plugin.h>

extern const struct iotify_action aws_device_action;

#endif
