/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of each message of one device, from the moment it was meant to go until it is
 * acknowledged and, where that is asked for, has come back. Tokens count a device's messages
 * from 0. One thread at a time.
 */
#ifndef CORE_SIMULATE_LEDGER_H
#define CORE_SIMULATE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger_entry {
    int64_t intended; /* nanoseconds */
    uint64_t print;   /* of the payload, to know it again */
    bool acknowledged, received, lost;
    bool over_rate; /* sent in a second in which the connection carried too much */
};

/* A ledger of zeros is empty and ready. */
struct ledger {
    struct ledger_entry *ring; /* the messages that are not settled yet, and with verifying some */
    uint32_t first, count, capacity;
    uint32_t open;       /* neither acknowledged nor lost */
    uint32_t unreceived; /* acknowledged or open, and not back yet; only with verifying */
    uint32_t newest;     /* how many up to the newest that came back; to know what is reordered */
    uint64_t base;       /* the token of the oldest in the ring */
    bool verifies;
};

enum ledger_arrival { ARRIVED, ARRIVED_REORDERED, ARRIVED_AGAIN, ARRIVED_FOREIGN };

void ledger_clear(struct ledger *ledger);
/* A message is handed over; its token. */
uint64_t ledger_add(struct ledger *ledger, int64_t intended, uint64_t print, bool over_rate);
/* It was not taken after all: forget the newest. */
void ledger_take_back(struct ledger *ledger);
/* False when it is known already, or was never. `intended` is set on success. */
bool ledger_acknowledge(struct ledger *ledger, uint64_t token, int64_t *intended);
bool ledger_lose(struct ledger *ledger, uint64_t token);
/*
 * A payload came in: which message was it? The oldest with this print that is not back yet;
 * payloads that are the same cannot be told apart.
 */
enum ledger_arrival ledger_receive(struct ledger *ledger, uint64_t print, int64_t *intended);
/* A message that is not settled, from the oldest on: `*at` begins at 0. NULL: no further one. */
const struct ledger_entry *ledger_unsettled(const struct ledger *ledger, uint32_t *at);

/* A print of some bytes; 64 bits, so that two that differ are the same once in a blue moon. */
uint64_t ledger_print(const void *data, size_t size);

#endif
