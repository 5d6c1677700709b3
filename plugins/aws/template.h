/* SPDX-License-Identifier: Apache-2.0 */
/* The step `template`, which writes a template file that simulates the devices. */
#ifndef PLUGINS_AWS_TEMPLATE_H
#define PLUGINS_AWS_TEMPLATE_H

#include <iotify/plugin.h>

extern const struct iotify_action aws_template_action;

/* The text of helpers.js, embedded by the build. */
extern const char aws_helpers[];

#endif
