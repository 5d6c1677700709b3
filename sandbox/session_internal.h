/* SPDX-License-Identifier: Apache-2.0 */
/* What session.c and session_subscribe.c share. */
#ifndef SANDBOX_SESSION_INTERNAL_H
#define SANDBOX_SESSION_INTERNAL_H

#include <iotify/buffer.h>

#include "plugins/aws/policy/topic.h"
#include "sandbox/session.h"

/* AWS IoT's limits of a connection. */
#define CLIENT_ID_MAX 128
#define PAYLOAD_MAX (128 * 1024)
#define FILTERS_MAX 8
#define SUBSCRIPTIONS_MAX 50
#define PUBLISHES_A_SECOND 100
#define KEEPALIVE_MIN 30
#define KEEPALIVE_MAX 1200
#define ALIASES_MAX 8

#define VERDICTS 8 /* that a session remembers */
#define ANSWERS_MAX 16

struct session_verdict {
    char action; /* the letter behind "iot:"; 0: none is remembered */
    bool allowed;
    char topic[TOPIC_BYTES_MAX];
};

/* A SUBSCRIBE of which the broker saw only a part. */
struct session_answer {
    uint16_t id; /* 0: free */
    size_t count;
    uint8_t codes[FILTERS_MAX]; /* FROM_BROKER where the broker decides */
};

#define FROM_BROKER 0xff

struct session {
    const struct session_world *world;
    const X509 *certificate;
    const char *id;
    char source_ip[64];
    int level;
    bool connected;
    bool made_id;       /* the client left its id to us */
    uint16_t keepalive; /* that the client did not ask for; 0: it has what it wanted */
    char client_id[CLIENT_ID_MAX + 1];
    struct grants *grants;
    uint64_t version;
    struct session_verdict *verdicts; /* VERDICTS of them, made when first needed */
    double tokens, filled;
    char *up_aliases[ALIASES_MAX], *down_aliases[ALIASES_MAX];
    char *filters[SUBSCRIPTIONS_MAX];
    struct session_answer answers[ANSWERS_MAX];
};

/*
 * May the client do `action` ("iot:Subscribe") on `kind` ("topicfilter") `topic`? The latest
 * verdicts are remembered: a device publishes on the same topic again and again.
 */
bool session_allowed(
    struct session *session, const char *action, const char *kind, const char *topic);
/* The text with a NUL after it; `out` has room for TOPIC_BYTES_MAX. */
void session_copy_text(struct mqtt_text text, char *out);
/* End the session because of what the client did; MQTT 5 says why. */
enum session_next session_end(
    struct session *session, uint8_t reason, struct iotify_buffer *client);
/* Pass a packet on as it came. */
void session_pass(const struct mqtt_packet *packet, struct iotify_buffer *out);

enum session_next session_on_subscribe(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client);
enum session_next session_on_unsubscribe(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client);
/*
 * The broker's SUBACK, with the codes that the sandbox decided itself put where the client asked
 * for them. False when nothing was left out.
 */
bool session_complete_suback(
    struct session *session, const struct mqtt_packet *packet, struct iotify_buffer *client);

#endif
