/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault injection: decides which calls fail, and how. The decision depends only on the seed, the
 * operation and the number of its call, so equal runs get equal faults. Safe on any thread.
 */
#ifndef SANDBOX_FAULT_H
#define SANDBOX_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <iotify/buffer.h>

struct fault_set;

enum fault_kind {
    /* Control plane; FAULT_RESET also MQTT. */
    FAULT_THROTTLE,     /* ThrottlingException */
    FAULT_ERROR,        /* InternalFailureException or ServiceUnavailableException */
    FAULT_DROP_REQUEST, /* the connection closes before the request is executed */
    FAULT_DROP_REPLY,   /* the request is executed, but not answered */
    FAULT_RESET,        /* the connection is reset before the request is executed */
    FAULT_ABSENT,       /* ResourceNotFoundException, whether or not the resource exists */
    /* MQTT. */
    FAULT_REFUSE, /* CONNECT is answered with "server unavailable" */
    FAULT_DROP,   /* the connection closes at a PUBLISH */
    FAULT_STALL,  /* the sandbox stops reading and answering */
    FAULT_KINDS
};

/* MQTT packets that a rule can be limited to, besides the operations of the API. */
#define FAULT_CONNECT "Connect"
#define FAULT_PUBLISH "PublishMqtt"

struct fault_set *faults_new(uint64_t seed);
void faults_free(struct fault_set *faults);

/*
 * Apply a list such as `throttle=10%,error=2%,drop_reply=1%,latency=50ms`. An operation limits an
 * item to it: `CreateThing:throttle=50%`. `latency=50ms~20ms` is 50 ms ± 20 ms. An item replaces
 * the one of the same kind and operation; 0% disables it; `none` removes all. On an error returns
 * false, with the reason in `why` (of `size` bytes), and changes nothing.
 */
bool faults_set(struct fault_set *faults, const char *text, char *why, size_t size);
/* Set the seed, a decimal number, and restart counting calls. False when it is not a number. */
bool faults_seed(struct fault_set *faults, const char *seed);

/* The faults of one call: `hits` has a flag for each kind. The caller chooses among those that
 * exclude each other. */
struct fault_outcome {
    bool hits[FAULT_KINDS];
    int64_t latency_ns;
    unsigned roll; /* random number from 0 to 999, for choices within a kind */
};
/* Draw the faults of the next call of `operation`. */
void faults_draw(struct fault_set *faults, const char *operation, struct fault_outcome *outcome);

/* Append the rules as a list that faults_set() accepts; nothing when there are none. */
void faults_print(struct fault_set *faults, struct iotify_buffer *out);

#endif
