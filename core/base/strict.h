/* SPDX-License-Identifier: Apache-2.0 */
/* IOTIFY_PLUGIN_CHECKS=strict: checks of plugins that are too dear for every run. Any thread. */
#ifndef CORE_BASE_STRICT_H
#define CORE_BASE_STRICT_H

#include <stdbool.h>

/* The name of the environment variable, and its only value. */
#define STRICT_VARIABLE "IOTIFY_PLUGIN_CHECKS"
#define STRICT_VALUE "strict"

/* True when the environment asks for strict checks. */
bool strict_wanted(void);

#endif
