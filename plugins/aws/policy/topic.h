/* SPDX-License-Identifier: Apache-2.0 */
/* AWS IoT's limits of topics and filters, beyond what MQTT itself demands. Pure functions. */
#ifndef PLUGINS_AWS_POLICY_TOPIC_H
#define PLUGINS_AWS_POLICY_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

/* What the limits come to together with the prefixes that they do not count. */
#define TOPIC_BYTES_MAX 640

/* A topic to publish on; a filter to subscribe to. */
enum topic_use { TOPIC_PUBLISH, TOPIC_SUBSCRIBE };

/*
 * At most 256 bytes and seven slashes, where `$aws/rules/NAME/` and `$share/NAME/` before it do
 * not count.
 */
bool topic_fits(const char *topic, size_t size);
/* Does it begin with `$` and is it not one of those that AWS lets clients use? */
bool topic_reserved(const char *topic, size_t size, enum topic_use use);

#endif
