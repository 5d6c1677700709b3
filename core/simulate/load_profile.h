/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load over time: how many clients take part at a moment, and when a client that sent at one
 * moment sends next. A pure function of the settings, so that every run has the same schedule.
 *
 * Without stages each client sends once an interval. A stage with `clients` changes their number
 * evenly over its duration; one with `rate` the messages a second of all clients together, which
 * they share evenly. Both begin at nothing, and what a stage does not change stays as it was.
 */
#ifndef CORE_SIMULATE_LOAD_PROFILE_H
#define CORE_SIMULATE_LOAD_PROFILE_H

#include "core/simulate/settings.h"

/* Moments count from the start of the run, in nanoseconds. */
struct load_profile_piece {
    int64_t begins, ends;
    double clients, clients_end;
    double rate, rate_end; /* a second, of all; 0: each client by its interval */
    double storm;          /* the share of connections that is dropped when it begins */
    const char *name;
};

struct load_profile {
    int64_t interval;
    int64_t ends; /* 0: the iterations end it */
    struct load_profile_piece *pieces;
    size_t count;
};

/* `clients` of them take part where no stage says otherwise. End it with load_profile_clear(). */
void load_profile_init(
    struct load_profile *load_profile, const struct simulate_options *options, int64_t clients);
void load_profile_clear(struct load_profile *load_profile);

/* Does the number of clients change? */
bool load_profile_varies(const struct load_profile *load_profile);
/* How many take part at this moment. */
int64_t load_profile_clients(const struct load_profile *load_profile, int64_t moment);
/*
 * When a client sends that was due `messages` of its messages before `moment`; INT64_MAX: never.
 * A fraction of a message is a part of the way to the next.
 */
int64_t load_profile_after(
    const struct load_profile *load_profile, int64_t moment, double messages);
/* Do clients share one rate at this moment? Then they begin spread over it, not all at once. */
bool load_profile_shares(const struct load_profile *load_profile, int64_t moment);

#endif
