/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events about a device's messages: acknowledgements, losses, received messages; and the final
 * account. On the thread of its loop; `user` is the struct device.
 */
#ifndef CORE_SIMULATE_ANSWERS_H
#define CORE_SIMULATE_ANSWERS_H

#include "core/simulate/device.h"

void answers_on_acknowledged(void *user, uint64_t token);
/* A QoS 0 message was not written before the connection ended, and is not sent again. */
void answers_on_lost(void *user, uint64_t token);
/*
 * The server hung up too often while the same messages were in flight: count all messages in flight
 * as lost. The device's next session does not send them again.
 */
void answers_give_up(struct device *device);
/* The server does not take a message; it is not sent again, and the iteration that sent it failed.
 */
void answers_on_refused(void *user, uint64_t token, int32_t code, const char *text);
void answers_on_received(void *user, const struct iotify_message *message);
/* A message was not acknowledged within ack_timeout: count it as lost, and continue what waited. */
void answers_time_out(struct device *device, const struct ledger_entry *entry, uint64_t token);
/*
 * So many messages are lost that the transport has no room for others: it sends no more until it
 * connects anew.
 */
bool answers_awaits_renewal(const struct device *device);
/* It has a message to send: connect anew now, or look again in a moment. */
void answers_await_renewal(struct device *device);
/* A message was acknowledged and did not return: `entry`, with this token, is lost. */
void answers_do_not_return(struct device *device, const struct ledger_entry *entry, uint64_t token);
/* The device is done: report its unsettled messages and count them as lost. */
void answers_account(struct device *device);

#endif
