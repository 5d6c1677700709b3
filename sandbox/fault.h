/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults on demand: which call goes wrong, and how. Decided by a seed and the number of the call
 * alone, so that the same calls meet the same faults. Safe on any thread.
 */
#ifndef SANDBOX_FAULT_H
#define SANDBOX_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <iotify/buffer.h>

struct faults;

enum fault_kind {
    /* Of the control plane. */
    FAULT_THROTTLE,     /* ThrottlingException */
    FAULT_ERROR,        /* InternalFailureException or ServiceUnavailableException */
    FAULT_DROP_REQUEST, /* the connection closes, nothing was done */
    FAULT_DROP_REPLY,   /* it was done, and the connection closes without an answer */
    FAULT_RESET,        /* the connection is reset, nothing was done */
    /* Of MQTT. */
    FAULT_REFUSE, /* a connect is answered with "server unavailable" */
    FAULT_DROP,   /* the connection closes when a message is published */
    FAULT_STALL,  /* from here on nothing is read and nothing answered */
    FAULT_KINDS
};

/* Names of the data plane that rules can be limited to, beside those of operations. */
#define FAULT_CONNECT "Connect"
#define FAULT_PUBLISH "PublishMqtt"

struct faults *faults_new(uint64_t seed);
void faults_free(struct faults *faults);

/*
 * Take in a list such as `throttle=10%,error=2%,drop_reply=1%,latency=50ms`, or one for some
 * operations: `CreateThing:throttle=50%`. Latency may spread: `latency=50ms~20ms`. What was set
 * before for the same kind and operation is replaced; 0% takes it away; `none` takes all away.
 * False: `why` says what is wrong, and nothing is changed.
 */
bool faults_set(struct faults *faults, const char *text, char *why, size_t size);
/* Count from the start again with another seed, a whole number. False when it is none. */
bool faults_seed(struct faults *faults, const char *seed);

/* What one call meets. `hits` has a bit for each kind; of those that exclude each other the first
 * counts. */
struct fault_plan {
    bool hits[FAULT_KINDS];
    int64_t latency_ns;
    unsigned roll; /* another random number, for choices within a kind */
};
void faults_draw(struct faults *faults, const char *operation, struct fault_plan *plan);

/* What is set, as a list that faults_set() takes. */
void faults_print(struct faults *faults, struct iotify_buffer *out);

#endif
