/* SPDX-License-Identifier: Apache-2.0 */
/* The step `template`: a template that simulates the devices. */
#ifndef PLUGINS_AWS_TEMPLATE_H
#define PLUGINS_AWS_TEMPLATE_H

#include <iotify/plugin.h>

extern const struct iotify_action aws_template_action;

/* helpers.js, put in by the build. */
extern const char aws_helpers[];

#endif
