/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by session.c and session_subscribe.c. On the listener's thread. */
#ifndef SANDBOX_SESSION_INTERNAL_H
#define SANDBOX_SESSION_INTERNAL_H

#include <iotify/buffer.h>

#include "plugins/aws/policy/topic.h"
#include "sandbox/session.h"

/* AWS IoT's limits for a connection. */
#define CLIENT_ID_MAX 128
#define PAYLOAD_MAX (128 * 1024)
#define FILTERS_MAX 8
#define SUBSCRIPTIONS_MAX 50
#define PUBLISH_RATE 100
#define KEEPALIVE_MIN 30
#define KEEPALIVE_MAX 1200
#define ALIASES_MAX 8

#define VERDICTS 8     /* that a session caches */
#define ANSWERS_MAX 16 /* SUBACKs that a session waits for */

struct session_verdict {
    char action; /* the letter after "iot:"; 0: not valid */
    bool allowed;
    char topic[TOPIC_BYTES_MAX];
};

/* The answer to a SUBSCRIBE of which the broker got only a part. */
struct session_answer {
    uint16_t id; /* of the packet; 0: free */
    size_t count;
    uint8_t codes[FILTERS_MAX]; /* FROM_BROKER: the broker decides */
};

#define FROM_BROKER 0xff

struct session {
    const struct session_world *world;
    const X509 *certificate;
    const char *id;
    char source_ip[64];
    int level;
    bool connected;
    bool made_id;       /* the sandbox generated the client id */
    uint16_t keepalive; /* seconds, if changed by the sandbox; 0: as requested */
    char client_id[CLIENT_ID_MAX + 1];
    struct authorization_grants *grants;
    uint64_t version;                 /* of the authorization, when `grants` was loaded */
    struct session_verdict *verdicts; /* VERDICTS of them, allocated on first use */
    double tokens, filled; /* bucket of PUBLISH packets; when it was filled, in seconds */
    char *up_aliases[ALIASES_MAX], *down_aliases[ALIASES_MAX];
    char *filters[SUBSCRIPTIONS_MAX];
    struct session_answer answers[ANSWERS_MAX];
};

/*
 * May the client do `action` ("iot:Subscribe") on `kind` ("topicfilter") `topic`? Verdicts are
 * cached by the first letter of the action and the topic, so iot:RetainPublish is not possible.
 */
bool session_allowed(
    struct session *session, const char *action, const char *kind, const char *topic);
/* Copy the text and append NUL; `out` must have room for both. */
void session_copy_text(struct mqtt_text text, char *out);
/* Returns SESSION_ENDS; with MQTT 5 after a DISCONNECT with `reason` to the client. */
enum session_next session_end(
    struct session *session, uint8_t reason, struct iotify_buffer *client);
/* Append a packet unchanged. */
void session_pass(const struct mqtt_packet *packet, struct iotify_buffer *out);

enum session_next session_on_subscribe(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client);
enum session_next session_on_unsubscribe(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client);
/*
 * Append the broker's SUBACK with the codes of the filters that the sandbox refused inserted.
 * False, with nothing appended, when the broker got the whole SUBSCRIBE.
 */
bool session_complete_suback(
    struct session *session, const struct mqtt_packet *packet, struct iotify_buffer *client);

#endif
