/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One MQTT session with the rules of AWS IoT: packets of the client are checked against policies
 * and limits before the broker gets them, messages of the broker before the client gets them. No
 * I/O: the caller passes packets in and writes the packets that come out. One thread per session.
 */
#ifndef SANDBOX_SESSION_H
#define SANDBOX_SESSION_H

#include "sandbox/authorization.h"
#include "sandbox/fault.h"
#include "sandbox/mqtt.h"
#include "sandbox/quota.h"

/* Size of the largest packet that a client may send, as the CONNACK announces it. */
#define SESSION_PACKET_MAX (146 * 1024)
/* The same for the broker, which may add to a packet. */
#define SESSION_DELIVERY_MAX (SESSION_PACKET_MAX + 1024)

struct session;

/* Shared by all sessions. */
struct session_world {
    struct authorization *authorization;
    struct quota_set *quotas;
    struct fault_set *faults;
};

/* A session of the certificate's holder. `world`, `certificate` and `id` must outlive it. */
struct session *session_new(const struct session_world *world, const X509 *certificate,
    const char *id, const char *source_ip);
void session_free(struct session *session);

/* What the caller must do with the connection after a packet. */
enum session_next {
    SESSION_CONTINUES,
    SESSION_ENDS, /* write what is waiting on both sides, then close both */
    SESSION_CUT,  /* close both at once; the broker sees a lost connection and publishes the will */
    SESSION_STALLS, /* stop reading and writing, but stay connected */
    SESSION_RESETS  /* close both, with a TCP reset to the client */
};

/* Process a packet of the client: appends it to `broker` if it may pass, answers to `client`. */
enum session_next session_from_client(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client);
/* Process a packet of the broker: the same in the other direction. */
enum session_next session_from_broker(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client);
/* Report the start of a packet that is too large, or not MQTT. */
enum session_next session_bad_packet(
    struct session *session, bool too_large, struct iotify_buffer *client);
/* The certificate has changed: end the session unless it is still active. */
enum session_next session_recheck(struct session *session, struct iotify_buffer *client);

/* Has the session accepted the client's CONNECT? */
bool session_connected(const struct session *session);

#endif
