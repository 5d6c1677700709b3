/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One MQTT session as AWS IoT sees it: what the client sends is checked against policies and
 * limits before the broker gets it, what the broker sends before the client gets it. No I/O here:
 * packets go in, packets come out. One thread.
 */
#ifndef SANDBOX_SESSION_H
#define SANDBOX_SESSION_H

#include "sandbox/authorization.h"
#include "sandbox/fault.h"
#include "sandbox/mqtt.h"
#include "sandbox/quota.h"

/* The largest packet that a client may send, as AWS tells it in its CONNACK. */
#define SESSION_PACKET_MAX (146 * 1024)
/* The same with what the broker may add to it. */
#define SESSION_DELIVERY_MAX (SESSION_PACKET_MAX + 1024)

struct session;

/* What all sessions share. */
struct session_world {
    struct authorization *authorization;
    struct quotas *quotas;
    struct faults *faults;
};

/* For the holder of a certificate; `certificate` and `id` must outlive the session. */
struct session *session_new(const struct session_world *world, const X509 *certificate,
    const char *id, const char *source_ip);
void session_free(struct session *session);

/* What becomes of the connection after a packet. */
enum session_next {
    SESSION_GOES_ON,
    SESSION_ENDS,   /* send what is waiting on both sides, then close both */
    SESSION_CUT,    /* close both at once: the broker sees a loss, so that a will is published */
    SESSION_STALLS, /* read and send nothing any more */
    SESSION_RESETS  /* reset the client's connection */
};

/* A packet of the client: what may pass is appended to `broker`, answers to `client`. */
enum session_next session_from_client(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client);
/* A packet of the broker. */
enum session_next session_from_broker(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client);
/* A packet began that is larger than SESSION_PACKET_MAX, or is none. */
enum session_next session_bad_packet(
    struct session *session, bool too_large, struct iotify_buffer *client);
/* The certificate was changed: may the session go on? */
enum session_next session_look_again(struct session *session, struct iotify_buffer *client);

/* Has the client been let in? */
bool session_connected(const struct session *session);

#endif
