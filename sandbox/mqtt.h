/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MQTT packets, 3.1.1 and 5, as far as the sandbox inspects them: finds them in a stream, parses
 * them, and writes the few that it sends itself. Pure functions; nothing is copied, results point
 * into the packet.
 */
#ifndef SANDBOX_MQTT_H
#define SANDBOX_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <iotify/buffer.h>

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH
};

/* Protocol levels of CONNECT. */
enum { MQTT_3_1_1 = 4, MQTT_5 = 5 };

/* Reason codes of MQTT 5 that the sandbox uses. */
enum {
    MQTT_SUCCESS = 0x00,
    MQTT_UNSPECIFIED = 0x80,
    MQTT_MALFORMED = 0x81,
    MQTT_PROTOCOL_ERROR = 0x82,
    MQTT_BAD_CLIENT_ID = 0x85,
    MQTT_NOT_AUTHORIZED = 0x87,
    MQTT_BAD_FILTER = 0x8f,
    MQTT_BAD_TOPIC = 0x90,
    MQTT_BAD_ALIAS = 0x94,
    MQTT_PACKET_TOO_LARGE = 0x95,
    MQTT_QUOTA_EXCEEDED = 0x97,
    MQTT_ADMINISTRATIVE = 0x98,
    MQTT_QOS_NOT_SUPPORTED = 0x9b,
    MQTT_RATE_EXCEEDED = 0x9f,
    MQTT_IDENTIFIERS_NOT_SUPPORTED = 0xa1
};

/* Bytes inside a packet; not terminated. */
struct mqtt_text {
    const char *data;
    size_t size;
};

struct mqtt_packet {
    enum mqtt_type type;
    uint8_t flags;       /* the lower four bits of the first byte */
    const uint8_t *body; /* after the fixed header */
    size_t body_size;
    size_t size; /* of the whole packet */
};

enum mqtt_found { MQTT_INCOMPLETE, MQTT_PACKET, MQTT_TOO_LARGE, MQTT_GARBAGE };

/*
 * Find the packet at the start of `data`. MQTT_TOO_LARGE as soon as its header announces more than
 * `ceiling` bytes; MQTT_GARBAGE when no packet begins with these bytes.
 */
enum mqtt_found mqtt_find(
    const uint8_t *data, size_t size, size_t ceiling, struct mqtt_packet *packet);

struct mqtt_connect {
    int level;
    bool clean, has_will, will_retain;
    int will_qos;
    uint16_t keepalive;  /* seconds */
    size_t keepalive_at; /* offset in the body */
    size_t client_id_at; /* offset of its length in the body */
    struct mqtt_text client_id, will_topic, will_payload, username;
};

struct mqtt_publish {
    int qos;
    bool retain;
    struct mqtt_text topic;
    uint16_t id;    /* QoS 1 and 2 */
    uint16_t alias; /* MQTT 5; 0: none */
    size_t payload_size;
    /* Offset in the body and size of the properties; offset of the alias property. */
    size_t properties_at, properties_size, alias_at;
};

/* One filter of a SUBSCRIBE or UNSUBSCRIBE. */
struct mqtt_filter {
    struct mqtt_text topic;
    uint8_t options; /* the lower two bits are the QoS; 0 for UNSUBSCRIBE */
};

/* An iterator over the filters of a SUBSCRIBE or UNSUBSCRIBE. */
struct mqtt_filters {
    uint16_t id;
    const uint8_t *at, *end;
    size_t properties;    /* bytes between the packet id and the first filter */
    bool with_identifier; /* it has a subscription identifier */
    bool with_options;    /* SUBSCRIBE */
};

/* False when malformed. Of a CONNECT with an unknown level, only level and keep-alive are set. */
bool mqtt_read_connect(const struct mqtt_packet *packet, struct mqtt_connect *connect);
bool mqtt_read_publish(const struct mqtt_packet *packet, int level, struct mqtt_publish *publish);
bool mqtt_read_filters(const struct mqtt_packet *packet, int level, struct mqtt_filters *filters);
/* The next filter. False at the end, or with `*malformed` set when it is not valid. */
bool mqtt_next_filter(struct mqtt_filters *filters, struct mqtt_filter *filter, bool *malformed);
/* The packet identifier of PUBACK, SUBACK and the like; 0 when there is none. */
uint16_t mqtt_id(const struct mqtt_packet *packet);

/* Append the fixed header of a packet with `body_size` bytes. */
void mqtt_put_header(
    struct iotify_buffer *out, enum mqtt_type type, uint8_t flags, size_t body_size);
void mqtt_put_number(struct iotify_buffer *out, uint16_t number);
void mqtt_put_text(struct iotify_buffer *out, struct mqtt_text text);
/* Append a whole packet. A DISCONNECT is not written at MQTT 3.1.1, where servers send none. */
void mqtt_put_refusal(struct iotify_buffer *out, int level, uint8_t reason); /* CONNACK */
/* A PUBLISH of MQTT 5 that has an alias: rewritten with the full topic and without the alias. */
void mqtt_put_publish(struct iotify_buffer *out, const struct mqtt_packet *packet,
    const struct mqtt_publish *publish, struct mqtt_text topic);
/* A CONNACK of MQTT 5 with the properties `more` added. False when `packet` is malformed. */
bool mqtt_put_connack(
    struct iotify_buffer *out, const struct mqtt_packet *packet, const struct iotify_buffer *more);
void mqtt_put_puback(struct iotify_buffer *out, int level, uint16_t id, uint8_t reason);
void mqtt_put_disconnect(struct iotify_buffer *out, int level, uint8_t reason);

/* Is it well-formed UTF-8 without NUL, as MQTT requires of every text? */
bool mqtt_valid_text(struct mqtt_text text);
/* A valid topic has no wildcards, a valid filter only in the positions that MQTT allows. */
bool mqtt_valid_topic(struct mqtt_text topic);
bool mqtt_valid_filter(struct mqtt_text filter);

#endif
