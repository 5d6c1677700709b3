/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load over time: how many clients take part at a moment, and when a client sends its next
 * message. Depends only on the settings, so every run has the same schedule. Pure after
 * load_profile_init(): any thread.
 *
 * Without stages each client sends once per interval. A stage with `clients` changes their number
 * linearly over its duration; one with `rate` changes the messages per second of all clients, which
 * share them evenly. The rate starts at 0. If the first stage has `clients`, their number starts at
 * 0, too; otherwise all take part. What a stage does not set is unchanged.
 */
#ifndef CORE_SIMULATE_LOAD_PROFILE_H
#define CORE_SIMULATE_LOAD_PROFILE_H

#include "core/simulate/settings.h"

/* Moments are nanoseconds from the start of the run. */
struct load_profile_piece {
    int64_t begins, ends;
    double clients, clients_end;
    double rate, rate_end; /* messages per second of all clients; 0: each by its interval */
    bool counts_clients;   /* the stage is about the number of clients, not the rate */
    double storm;          /* share of connections that is dropped at its start */
    const char *name;
};

struct load_profile {
    int64_t interval;
    int64_t ends; /* 0: the iterations end the run */
    struct load_profile_piece *pieces;
    size_t count;
};

/*
 * Set it up for `clients` clients, of which no stage has more. The caller calls
 * load_profile_clear().
 */
void load_profile_init(
    struct load_profile *load_profile, const struct simulate_options *options, int64_t clients);
void load_profile_clear(struct load_profile *load_profile);

/* Does the number of clients change? */
bool load_profile_varies(const struct load_profile *load_profile);
/* How many clients take part at this moment; INT64_MAX without stages: all. */
int64_t load_profile_clients(const struct load_profile *load_profile, int64_t moment);
/*
 * When a client whose message was due at `moment` sends the one that is `messages` later, which may
 * be a fraction; INT64_MAX: never. `moment` itself where there is neither interval nor rate.
 */
int64_t load_profile_after(
    const struct load_profile *load_profile, int64_t moment, double messages);
/* The stage at this moment, from 1; 0: none. */
size_t load_profile_stage(const struct load_profile *load_profile, int64_t moment);
/*
 * The messages per second that `clients` clients are to send together at this moment; -1 where
 * there is neither interval nor rate.
 */
double load_profile_rate(const struct load_profile *load_profile, int64_t moment, int64_t clients);
/* What the stage with this index is to reach: clients at its end, or messages in it. */
int64_t load_profile_intended(const struct load_profile *load_profile, size_t index);
/*
 * How many messages of one client are due from `from`, when one is, until before `until`; 0 where
 * there is neither interval nor rate.
 */
int64_t load_profile_count(const struct load_profile *load_profile, int64_t from, int64_t until);
/*
 * Do clients share one rate at this moment? Then their first messages are spread, not sent at once.
 */
bool load_profile_shares(const struct load_profile *load_profile, int64_t moment);

#endif
