/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox's own MQTT client of the broker, for messages that arrive over HTTPS or the signed
 * API. Safe on any thread.
 */
#ifndef SANDBOX_PUBLISHER_H
#define SANDBOX_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>

struct publisher;

/* Connect to the broker; `broker` is the path of its socket. NULL after a message on stderr. */
struct publisher *publisher_open(const char *broker);
void publisher_close(struct publisher *publisher);

/* Is the topic valid for publishing and within AWS IoT's limits? */
bool publisher_accepts(const char *topic);
/* Queue a message for the broker, without waiting for it; false when the MQTT client fails. */
bool publisher_publish(struct publisher *publisher, const char *topic, const char *payload,
    size_t size, int qos, bool retain);

#endif
