/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of each message of one device, from its scheduled time until it is acknowledged and,
 * with `verify: end_to_end`, received back. Tokens number a device's messages from 0. One thread at
 * a time.
 */
#ifndef CORE_SIMULATE_LEDGER_H
#define CORE_SIMULATE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger_entry {
    int64_t intended; /* scheduled time, nanoseconds */
    uint64_t print;   /* fingerprint of the payload, to recognize it */
    uint32_t sent;    /* when it was handed to the transport, milliseconds from the run's start */
    bool acknowledged : 1, received : 1, lost : 1;
    bool once : 1;              /* QoS 0: the server does not acknowledge it */
    bool over_rate : 1;         /* sent in a second with more messages than the endpoint accepts */
    unsigned char hang_ups : 2; /* how often in a row the server hung up while it was in flight */
};

/* A zero-initialized ledger is empty and valid. */
struct ledger {
    struct ledger_entry *ring; /* from the oldest unsettled one on; with `verifies` also older */
    uint32_t first, count, capacity;
    uint32_t open;       /* neither acknowledged nor lost */
    uint32_t unreceived; /* not lost and not received back; only with `verifies` */
    uint32_t newest;     /* entries up to the newest one received, to detect reordering */
    uint64_t base;       /* token of the first entry */
    bool verifies;
    bool suspect; /* the server hung up while an open message was in flight */
};

enum ledger_arrival { ARRIVED, ARRIVED_REORDERED, ARRIVED_AGAIN, ARRIVED_FOREIGN };

void ledger_clear(struct ledger *ledger);
/* Record a message, a copy of `entry`, that is handed to the transport; returns its token. */
uint64_t ledger_add(struct ledger *ledger, const struct ledger_entry *entry);
/* Remove the newest message: the transport did not accept it. */
void ledger_take_back(struct ledger *ledger);
/*
 * Record an acknowledgement or a loss. False when the token is unknown, or was acknowledged or lost
 * before. `*intended` becomes the scheduled time, on success only.
 */
bool ledger_acknowledge(struct ledger *ledger, uint64_t token, int64_t *intended);
bool ledger_lose(struct ledger *ledger, uint64_t token);
/*
 * The connection has ended: the server hung up, or something else happened. True when an open
 * message was in flight at LEDGER_HANG_UPS_MAX hang-ups in a row.
 */
#define LEDGER_HANG_UPS_MAX 3
bool ledger_disconnect(struct ledger *ledger, bool hung_up);
/*
 * The oldest open message and its token; NULL: there is none. Valid until the ledger changes.
 */
const struct ledger_entry *ledger_open(const struct ledger *ledger, uint64_t *token);
/*
 * Match a received payload: the oldest message with this fingerprint that is not received yet.
 * Equal payloads cannot be distinguished. `*intended` is set if a message is found.
 */
enum ledger_arrival ledger_receive(struct ledger *ledger, uint64_t print, int64_t *intended);
/*
 * The oldest open message that was sent before `sent` and is to be acknowledged by the server, and
 * its token; NULL: there is none. Valid until the ledger changes.
 */
const struct ledger_entry *ledger_overdue(
    const struct ledger *ledger, uint32_t sent, uint64_t *token);
/*
 * The oldest message that was acknowledged, was sent before `sent` and has not returned, and its
 * token; NULL: there is none. Only with `verifies`. Valid until the ledger changes.
 */
const struct ledger_entry *ledger_unreturned(
    const struct ledger *ledger, uint32_t sent, uint64_t *token);
/* Expect such a message no longer: it counts as lost. False when the token is of no such message.
 */
bool ledger_forget(struct ledger *ledger, uint64_t token);
/* The next unsettled message, oldest first; NULL: none. `*at` is 0 before the first call. */
const struct ledger_entry *ledger_unsettled(const struct ledger *ledger, uint32_t *at);

/* A 64-bit fingerprint of some bytes; not cryptographic. */
uint64_t ledger_print(const void *data, size_t size);

#endif
