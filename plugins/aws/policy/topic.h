/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of AWS IoT for topics and filters, in addition to those of MQTT. Pure functions. */
#ifndef PLUGINS_AWS_POLICY_TOPIC_H
#define PLUGINS_AWS_POLICY_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

/* Topics must be shorter than this, including the prefixes that the limits do not count. */
#define TOPIC_BYTES_MAX 640

/* A topic to publish to, or a filter to subscribe to. */
enum topic_use { TOPIC_PUBLISH, TOPIC_SUBSCRIBE };

/*
 * True for at most 256 bytes and seven slashes, not counting a leading `$share/NAME/` and
 * `$aws/rules/NAME/`.
 */
bool topic_fits(const char *topic, size_t size);
/* True when it begins with `$` but not with `$aws/`; for a filter, after `$share/NAME/`. */
bool topic_reserved(const char *topic, size_t size, enum topic_use use);

#endif
