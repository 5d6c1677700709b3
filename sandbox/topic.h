/* AWS IoT's limits of topics and filters, beyond what MQTT itself demands. Pure functions. */
#ifndef SANDBOX_TOPIC_H
#define SANDBOX_TOPIC_H

#include "sandbox/mqtt.h"

/* What the limits come to together with the prefixes that they do not count. */
#define TOPIC_BYTES_MAX 640

/* A topic to publish on; a filter to subscribe to. */
enum topic_use { TOPIC_PUBLISH, TOPIC_SUBSCRIBE };

/*
 * At most 256 bytes and seven slashes, where `$aws/rules/NAME/` and `$share/NAME/` before it do
 * not count.
 */
bool topic_fits(struct mqtt_text topic);
/* Is it one of those that begin with `$` and that AWS does not let clients use? */
bool topic_reserved(struct mqtt_text topic, enum topic_use use);
/* May a message be published on it by HTTP: a valid topic within all of that? */
bool topic_publishable(const char *topic);

#endif
