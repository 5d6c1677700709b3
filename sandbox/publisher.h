/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox's own client of the broker, for messages that come by HTTPS or over the signed API.
 * Safe on any thread.
 */
#ifndef SANDBOX_PUBLISHER_H
#define SANDBOX_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>

struct publisher;

/* Connect to the broker's socket. NULL after a message on stderr. */
struct publisher *publisher_open(const char *broker);
void publisher_close(struct publisher *publisher);

/* May a message be published on the topic: is it valid and within AWS IoT's limits? */
bool publisher_accepts(const char *topic);
/* Hand a message to the broker; false when it does not take it. */
bool publisher_publish(struct publisher *publisher, const char *topic, const char *payload,
    size_t size, int qos, bool retain);

#endif
