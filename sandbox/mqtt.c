/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/mqtt.h"

#include <string.h>

#include "core/base/utf8.h"

/* ------------------------------------------------------------------ reading */

/* The unread rest of a body. A read past its end sets `failed` and returns zero or empty. */
struct mqtt_reader {
    const uint8_t *start, *at, *end;
    bool failed;
};

static struct mqtt_reader mqtt_reader_of(const struct mqtt_packet *packet)
{
    return (struct mqtt_reader){
        packet->body, packet->body, packet->body + packet->body_size, false};
}

static const uint8_t *mqtt_take(struct mqtt_reader *reader, size_t size)
{
    const uint8_t *at = reader->at;

    if ((size_t)(reader->end - at) < size) {
        reader->failed = true;
        reader->at = reader->end;
        return NULL;
    }
    reader->at += size;
    return at;
}

static uint8_t mqtt_take_byte(struct mqtt_reader *reader)
{
    const uint8_t *at = mqtt_take(reader, 1);

    return at ? *at : 0;
}

static uint16_t mqtt_take_number(struct mqtt_reader *reader)
{
    const uint8_t *at = mqtt_take(reader, 2);

    return (uint16_t)(at ? (unsigned)at[0] << 8 | at[1] : 0);
}

static struct mqtt_text mqtt_take_text(struct mqtt_reader *reader)
{
    size_t size = mqtt_take_number(reader);
    const uint8_t *at = mqtt_take(reader, size);

    return at ? (struct mqtt_text){(const char *)at, size} : (struct mqtt_text){"", 0};
}

/* A length of one to four bytes; -1 when it is incomplete, -2 when it is not valid. */
static long mqtt_read_length(const uint8_t *data, size_t size, size_t *used)
{
    long value = 0;

    for (size_t i = 0; i < 4; i++) {
        if (i == size)
            return -1;
        value |= (long)(data[i] & 0x7f) << (7 * i);
        if (!(data[i] & 0x80)) {
            *used = i + 1;
            return value;
        }
    }
    return -2;
}

/* The properties of MQTT 5 that the sandbox uses; offsets in the body. */
struct mqtt_properties {
    size_t at, size;
    uint16_t alias; /* 0: none */
    size_t alias_at;
    bool identifier; /* there is a subscription identifier */
};

/* Reads one property and stores it in `found` if the sandbox uses it. */
static void mqtt_take_property(
    struct mqtt_reader *inside, const uint8_t *body, struct mqtt_properties *found)
{
    switch (mqtt_take_byte(inside)) {
    case 0x01: /* payload format */
    case 0x17: /* request problem information */
    case 0x19: /* request response information */
        mqtt_take_byte(inside);
        break;
    case 0x02: /* message expiry */
    case 0x11: /* session expiry */
    case 0x18: /* will delay */
    case 0x27: /* maximum packet size */
        mqtt_take(inside, 4);
        break;
    case 0x21: /* receive maximum */
    case 0x22: /* topic alias maximum */
        mqtt_take(inside, 2);
        break;
    case 0x23: {
        size_t at = (size_t)(inside->at - 1 - body);
        uint16_t alias = mqtt_take_number(inside);

        inside->failed = inside->failed || alias == 0 || found->alias != 0;
        found->alias = alias;
        found->alias_at = at;
        break;
    }
    case 0x0b: { /* subscription identifier */
        size_t bytes = 0;

        if (mqtt_read_length(inside->at, (size_t)(inside->end - inside->at), &bytes) < 0 ||
            !mqtt_take(inside, bytes))
            inside->failed = true;
        found->identifier = true;
        break;
    }
    case 0x03: /* content type */
    case 0x08: /* response topic */
    case 0x09: /* correlation data */
    case 0x15: /* authentication method */
    case 0x16: /* authentication data */
        mqtt_take_text(inside);
        break;
    case 0x26: /* user property */
        mqtt_take_text(inside);
        mqtt_take_text(inside);
        break;
    default:
        inside->failed = true;
        break;
    }
}

/* Reads all properties; `found` may be NULL. */
static void mqtt_take_properties(
    struct mqtt_reader *reader, int level, struct mqtt_properties *found)
{
    struct mqtt_properties properties = {0};
    const uint8_t *at;
    size_t used = 0;
    long size;

    if (level != MQTT_5)
        return;
    size = mqtt_read_length(reader->at, (size_t)(reader->end - reader->at), &used);
    if (size < 0 || !mqtt_take(reader, used)) {
        reader->failed = true;
        return;
    }
    at = mqtt_take(reader, (size_t)size);
    if (at) {
        struct mqtt_reader inside = {at, at, at + size, false};

        properties.at = (size_t)(at - reader->start);
        properties.size = (size_t)size;
        while (inside.at < inside.end && !inside.failed)
            mqtt_take_property(&inside, reader->start, &properties);
        reader->failed = reader->failed || inside.failed;
    }
    if (found)
        *found = properties;
}

enum mqtt_found mqtt_find(
    const uint8_t *data, size_t size, size_t ceiling, struct mqtt_packet *packet)
{
    size_t used = 0;
    long length;

    if (size == 0)
        return MQTT_INCOMPLETE;
    if (data[0] >> 4 == 0)
        return MQTT_GARBAGE;
    length = mqtt_read_length(data + 1, size - 1, &used);
    if (length == -2)
        return MQTT_GARBAGE;
    if (length < 0)
        return MQTT_INCOMPLETE;
    if ((size_t)length + 1 + used > ceiling)
        return MQTT_TOO_LARGE;
    if (size < (size_t)length + 1 + used)
        return MQTT_INCOMPLETE;
    *packet = (struct mqtt_packet){.type = (enum mqtt_type)(data[0] >> 4),
        .flags = data[0] & 15,
        .body = data + 1 + used,
        .body_size = (size_t)length,
        .size = (size_t)length + 1 + used};
    return MQTT_PACKET;
}

static void mqtt_take_will(struct mqtt_reader *reader, uint8_t flags, struct mqtt_connect *connect)
{
    connect->has_will = true;
    connect->will_qos = flags >> 3 & 3;
    connect->will_retain = flags & 0x20;
    mqtt_take_properties(reader, connect->level, NULL);
    connect->will_topic = mqtt_take_text(reader);
    connect->will_payload = mqtt_take_text(reader);
    reader->failed =
        reader->failed || connect->will_qos == 3 || !mqtt_valid_topic(connect->will_topic);
}

bool mqtt_read_connect(const struct mqtt_packet *packet, struct mqtt_connect *connect)
{
    struct mqtt_reader reader = mqtt_reader_of(packet);
    struct mqtt_text name = mqtt_take_text(&reader);
    uint8_t flags;

    *connect = (struct mqtt_connect){.level = mqtt_take_byte(&reader)};
    flags = mqtt_take_byte(&reader);
    connect->keepalive_at = (size_t)(reader.at - reader.start);
    connect->keepalive = mqtt_take_number(&reader);
    if (reader.failed || packet->flags != 0 || name.size != 4 || memcmp(name.data, "MQTT", 4) != 0)
        return false;
    /* The caller refuses an unknown level; the rest of the packet may have another format. */
    if (connect->level != MQTT_3_1_1 && connect->level != MQTT_5)
        return true;
    connect->clean = flags & 2;
    mqtt_take_properties(&reader, connect->level, NULL);
    connect->client_id_at = (size_t)(reader.at - reader.start);
    connect->client_id = mqtt_take_text(&reader);
    if (flags & 4)
        mqtt_take_will(&reader, flags, connect);
    else if (flags & 0x38)
        return false;
    if (flags & 0x80)
        connect->username = mqtt_take_text(&reader);
    if (flags & 0x40)
        mqtt_take_text(&reader);
    return !reader.failed && reader.at == reader.end && !(flags & 1) &&
           mqtt_valid_text(connect->client_id);
}

bool mqtt_read_publish(const struct mqtt_packet *packet, int level, struct mqtt_publish *publish)
{
    struct mqtt_reader reader = mqtt_reader_of(packet);
    struct mqtt_properties properties = {0};

    *publish = (struct mqtt_publish){.qos = packet->flags >> 1 & 3, .retain = packet->flags & 1};
    publish->topic = mqtt_take_text(&reader);
    if (publish->qos > 0)
        publish->id = mqtt_take_number(&reader);
    mqtt_take_properties(&reader, level, &properties);
    publish->alias = properties.alias;
    publish->alias_at = properties.alias_at;
    publish->properties_at = properties.at;
    publish->properties_size = properties.size;
    publish->payload_size = (size_t)(reader.end - reader.at);
    if (reader.failed || publish->qos == 3 || (publish->qos > 0 && publish->id == 0))
        return false;
    if (publish->topic.size == 0)
        return publish->alias > 0;
    return mqtt_valid_topic(publish->topic);
}

bool mqtt_read_filters(const struct mqtt_packet *packet, int level, struct mqtt_filters *filters)
{
    struct mqtt_reader reader = mqtt_reader_of(packet);
    struct mqtt_properties properties = {0};
    const uint8_t *before;

    *filters = (struct mqtt_filters){.id = mqtt_take_number(&reader)};
    before = reader.at;
    mqtt_take_properties(&reader, level, &properties);
    filters->with_identifier = properties.identifier;
    filters->properties = (size_t)(reader.at - before);
    filters->at = reader.at;
    filters->end = reader.end;
    filters->with_options = packet->type == MQTT_SUBSCRIBE;
    return !reader.failed && packet->flags == 2 && filters->id != 0 && reader.at < reader.end;
}

bool mqtt_next_filter(struct mqtt_filters *filters, struct mqtt_filter *filter, bool *malformed)
{
    struct mqtt_reader reader = {filters->at, filters->at, filters->end, false};

    *malformed = false;
    if (reader.at == reader.end)
        return false;
    filter->topic = mqtt_take_text(&reader);
    filter->options = filters->with_options ? mqtt_take_byte(&reader) : 0;
    *malformed = reader.failed || !mqtt_valid_filter(filter->topic) || (filter->options & 3) == 3;
    filters->at = reader.at;
    return !*malformed;
}

uint16_t mqtt_id(const struct mqtt_packet *packet)
{
    struct mqtt_reader reader = mqtt_reader_of(packet);

    return mqtt_take_number(&reader);
}

/* ------------------------------------------------------------------ writing */

void mqtt_put_number(struct iotify_buffer *out, uint16_t number)
{
    iotify_buffer_char(out, (char)(number >> 8));
    iotify_buffer_char(out, (char)(number & 0xff));
}

void mqtt_put_text(struct iotify_buffer *out, struct mqtt_text text)
{
    mqtt_put_number(out, (uint16_t)text.size);
    iotify_buffer_append(out, text.data, text.size);
}

static void mqtt_put_length(struct iotify_buffer *out, size_t length)
{
    do {
        uint8_t byte = length & 0x7f;

        length >>= 7;
        iotify_buffer_char(out, (char)(length ? byte | 0x80 : byte));
    } while (length);
}

static size_t mqtt_length_size(size_t length)
{
    size_t size = 1;

    while (length >>= 7)
        size++;
    return size;
}

void mqtt_put_header(
    struct iotify_buffer *out, enum mqtt_type type, uint8_t flags, size_t body_size)
{
    iotify_buffer_char(out, (char)((unsigned)type << 4 | flags));
    mqtt_put_length(out, body_size);
}

void mqtt_put_publish(struct iotify_buffer *out, const struct mqtt_packet *packet,
    const struct mqtt_publish *publish, struct mqtt_text topic)
{
    const size_t alias = 3; /* bytes of the property */
    size_t properties = publish->properties_size - alias;
    size_t rest = publish->alias_at + alias;

    mqtt_put_header(out, MQTT_PUBLISH, packet->flags,
        2 + topic.size + (publish->qos > 0 ? 2 : 0) + mqtt_length_size(properties) + properties +
            publish->payload_size);
    mqtt_put_text(out, topic);
    if (publish->qos > 0)
        mqtt_put_number(out, publish->id);
    mqtt_put_length(out, properties);
    iotify_buffer_append(
        out, packet->body + publish->properties_at, publish->alias_at - publish->properties_at);
    iotify_buffer_append(out, packet->body + rest, packet->body_size - rest);
}

bool mqtt_put_connack(
    struct iotify_buffer *out, const struct mqtt_packet *packet, const struct iotify_buffer *more)
{
    size_t used = 0;
    long size = packet->body_size > 2
                    ? mqtt_read_length(packet->body + 2, packet->body_size - 2, &used)
                    : 0;
    size_t properties = (size_t)size + more->size;

    if (size < 0 || packet->body_size < 2 || packet->body_size != 2 + used + (size_t)size)
        return false;
    mqtt_put_header(out, MQTT_CONNACK, 0, 2 + mqtt_length_size(properties) + properties);
    iotify_buffer_append(out, packet->body, 2);
    mqtt_put_length(out, properties);
    iotify_buffer_append(out, packet->body + 2 + used, (size_t)size);
    iotify_buffer_append(out, more->data, more->size);
    return true;
}

void mqtt_put_refusal(struct iotify_buffer *out, int level, uint8_t reason)
{
    mqtt_put_header(out, MQTT_CONNACK, 0, level == MQTT_5 ? 3 : 2);
    iotify_buffer_char(out, 0);
    iotify_buffer_char(out, (char)reason);
    if (level == MQTT_5)
        iotify_buffer_char(out, 0);
}

void mqtt_put_puback(struct iotify_buffer *out, int level, uint16_t id, uint8_t reason)
{
    bool long_form = level == MQTT_5 && reason != MQTT_SUCCESS;

    mqtt_put_header(out, MQTT_PUBACK, 0, long_form ? 3 : 2);
    mqtt_put_number(out, id);
    if (long_form)
        iotify_buffer_char(out, (char)reason);
}

void mqtt_put_disconnect(struct iotify_buffer *out, int level, uint8_t reason)
{
    if (level != MQTT_5)
        return;
    mqtt_put_header(out, MQTT_DISCONNECT, 0, 1);
    iotify_buffer_char(out, (char)reason);
}

/* ------------------------------------------------------------------ texts */

bool mqtt_valid_text(struct mqtt_text text)
{
    const uint8_t *at = (const uint8_t *)text.data;

    for (size_t i = 0; i < text.size;) {
        size_t size = utf8_size(at + i, text.size - i);

        if (size == 0 || at[i] == 0)
            return false;
        i += size;
    }
    return true;
}

bool mqtt_valid_topic(struct mqtt_text topic)
{
    return topic.size > 0 && mqtt_valid_text(topic) && !memchr(topic.data, '+', topic.size) &&
           !memchr(topic.data, '#', topic.size);
}

bool mqtt_valid_filter(struct mqtt_text filter)
{
    for (size_t i = 0; i < filter.size; i++) {
        bool starts = i == 0 || filter.data[i - 1] == '/';
        bool ends = i + 1 == filter.size || filter.data[i + 1] == '/';

        if ((filter.data[i] == '+' && !(starts && ends)) ||
            (filter.data[i] == '#' && !(starts && i + 1 == filter.size)))
            return false;
    }
    return filter.size > 0 && mqtt_valid_text(filter);
}
