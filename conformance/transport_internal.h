/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the transport suite share. Main thread, which is that of the loop. */
#ifndef CONFORMANCE_TRANSPORT_INTERNAL_H
#define CONFORMANCE_TRANSPORT_INTERNAL_H

#include "conformance/relay.h"
#include "conformance/suite.h"
#include "core/base/activity.h"
#include "core/loop/loop.h"
#include "core/plugin/call.h"

#define TOKENS_MAX 20000
#define RECEIVED_MAX 64

struct transport_world;

/* A session, and what the transport has reported of it. */
struct transport_session {
    struct transport_world *world;
    void *session;
    bool open, inside; /* connected; the host is inside a function of it */
    int connected, closed, lost, received;
    int closed_before;                        /* `closed` when transport_until() began */
    uint32_t accepted, acknowledged, refused; /* tokens */
    uint64_t next;                            /* token */
    uint8_t *tokens;                          /* how often each was settled */
    enum iotify_close reason;
    char text[200];
    char last_topic[200];
    size_t last_size;
    uint64_t last_hash; /* of the last payload received */
    /* What the host does inside of an event, once. */
    void (*on_connected)(struct transport_session *session);
    void (*on_acknowledged)(struct transport_session *session);
    void (*on_message)(struct transport_session *session);
    void (*on_closed)(struct transport_session *session);
};

/* One channel on a loop of its own, for one case. */
struct transport_world {
    struct suite *suite;
    const struct iotify_transport *operations;
    const void *options;    /* of the plugin */
    const void *connection; /* with the relay as its server */
    const void *direct;     /* with the server itself */
    const void *publish;
    struct relay *relay; /* NULL: the transport has no host */
    const char *topic;   /* of the publish settings; "" without the role */
    struct loop loop;
    void *instance, *channel;
    struct loop_checks *checks;
    struct iotify_timer *limit, *tick;
    bool (*until)(struct transport_world *world);
    bool timed_out;
    const struct transport_session *ended_badly; /* why transport_until() has ended; NULL: not so */
    struct transport_session *sessions;
    size_t count;
};

/*
 * Run the loop until the condition holds; the case fails after ten seconds, and at once when a
 * session that is to connect has closed.
 */
bool transport_until(struct transport_world *world,
    bool (*condition)(struct transport_world *world), const char *what);
/* Run the loop for some milliseconds. */
void transport_run(struct transport_world *world, int milliseconds);
/* Make sessions, with or without the suite's subscription; false after the case has failed. */
bool transport_make(struct transport_world *world, size_t count, bool subscribed);
void transport_connect(struct transport_session *session);
void transport_disconnect(struct transport_session *session);
void transport_drop(struct transport_session *session);
void transport_free(struct transport_session *session);
/* Publish; counts and returns the result. */
enum iotify_result transport_publish(
    struct transport_session *session, const void *data, size_t size);
/* The thread enters an operation of the plugin; activity_end() leaves it. */
struct activity transport_enter(const struct transport_world *world, const char *operation);
size_t transport_unwritten(const struct transport_session *session);
/* Make `count` sessions and connect them; false after the case has failed. */
bool transport_open(struct transport_world *world, size_t count);

/* "BY_PEER": the end of the name of a reason. */
const char *transport_reason_name(enum iotify_close reason);

extern const struct iotify_session_events transport_events;

/* Conditions. */
bool transport_all_connected(struct transport_world *world);
bool transport_all_closed(struct transport_world *world);
bool transport_all_settled(struct transport_world *world);
bool transport_has_received(struct transport_world *world); /* each session, a message */

/* A hash of a payload, as in `last_hash`. */
uint64_t transport_hash(const void *data, size_t size);
/* Whether sessions get messages; false after the case is skipped. */
bool transport_receives(const struct transport_world *world);

/* A case: NAME, run in a world of its own. */
void transport_case(struct suite *suite, const char *name,
    void (*run)(struct transport_world *world, const void *data), const void *data);
/* A case that needs a network between the transport and a server. */
void transport_network_case(struct suite *suite, const char *name,
    void (*run)(struct transport_world *world, const void *data), const void *data);

void transport_life_cases(struct suite *suite);
void transport_message_cases(struct suite *suite);
void transport_network_cases(struct suite *suite);

#endif
