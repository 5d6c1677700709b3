/* SPDX-License-Identifier: Apache-2.0 */
/* SUBSCRIBE and UNSUBSCRIBE of a session, and the SUBACK. */
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/policy/topic.h"
#include "sandbox/session.h"
#include "sandbox/session_internal.h"

/* The index of a filter, or with `make` of a free entry; -1: none. */
static int session_find_filter(const struct session *session, struct mqtt_text filter, bool make)
{
    int room = -1;

    for (int i = 0; i < SUBSCRIPTIONS_MAX; i++) {
        const char *known = session->filters[i];

        if (!known)
            room = room < 0 ? i : room;
        else if (strlen(known) == filter.size && memcmp(known, filter.data, filter.size) == 0)
            return i;
    }
    return make ? room : -1;
}

/* FROM_BROKER when the filter may be forwarded, else the reason code of the refusal. */
static uint8_t session_judge_filter(struct session *session, const struct mqtt_filter *filter)
{
    bool modern = session->level == MQTT_5;
    char text[TOPIC_BYTES_MAX];
    int index;

    if (!topic_fits(filter->topic.data, filter->topic.size) ||
        topic_reserved(filter->topic.data, filter->topic.size, TOPIC_SUBSCRIBE))
        return modern ? MQTT_BAD_FILTER : MQTT_UNSPECIFIED;
    session_copy_text(filter->topic, text);
    if (!session_allowed(session, "iot:Subscribe", "topicfilter", text))
        return modern ? MQTT_NOT_AUTHORIZED : MQTT_UNSPECIFIED;
    index = session_find_filter(session, filter->topic, true);
    if (index < 0)
        return modern ? MQTT_QUOTA_EXCEEDED : MQTT_UNSPECIFIED;
    if (!session->filters[index])
        session->filters[index] = strdup(text);
    return FROM_BROKER;
}

static struct session_answer *session_free_answer(struct session *session)
{
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        if (session->answers[i].id == 0)
            return &session->answers[i];
    return NULL;
}

static void session_put_suback(const struct session *session, const struct session_answer *answer,
    struct iotify_buffer *client)
{
    mqtt_put_header(client, MQTT_SUBACK, 0, 2 + (size_t)(session->level == MQTT_5) + answer->count);
    mqtt_put_number(client, answer->id);
    if (session->level == MQTT_5)
        iotify_buffer_char(client, 0);
    for (size_t i = 0; i < answer->count; i++)
        iotify_buffer_char(client, (char)answer->codes[i]);
}

/* Forwards the SUBSCRIBE without the filters that were refused. */
static void session_forward_part(const struct mqtt_packet *packet,
    const struct mqtt_filters *filters, const struct mqtt_filter *list,
    const struct session_answer *answer, struct iotify_buffer *broker)
{
    size_t size = 2 + filters->properties;

    for (size_t i = 0; i < answer->count; i++)
        if (answer->codes[i] == FROM_BROKER)
            size += 2 + list[i].topic.size + 1;
    mqtt_put_header(broker, MQTT_SUBSCRIBE, 2, size);
    iotify_buffer_append(broker, packet->body, 2 + filters->properties);
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->codes[i] != FROM_BROKER)
            continue;
        mqtt_put_text(broker, list[i].topic);
        iotify_buffer_char(broker, (char)list[i].options);
    }
}

enum session_next session_on_subscribe(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client)
{
    struct mqtt_filters filters, walk;
    struct mqtt_filter list[FILTERS_MAX];
    struct session_answer answer = {0}, *kept;
    bool malformed;
    size_t left = 0;

    if (!mqtt_read_filters(packet, session->level, &filters))
        return session_end(session, MQTT_MALFORMED, client);
    if (filters.with_identifier)
        return session_end(session, MQTT_IDENTIFIERS_NOT_SUPPORTED, client);
    walk = filters;
    answer.id = filters.id;
    for (;;) {
        struct mqtt_filter filter;

        if (!mqtt_next_filter(&walk, &filter, &malformed))
            break;
        if (answer.count == FILTERS_MAX)
            return session_end(session, MQTT_QUOTA_EXCEEDED, client);
        if ((filter.options & 3) == 2)
            return session_end(session, MQTT_QOS_NOT_SUPPORTED, client);
        list[answer.count++] = filter;
    }
    if (malformed)
        return session_end(session, MQTT_MALFORMED, client);
    for (size_t i = 0; i < answer.count; i++) {
        answer.codes[i] = session_judge_filter(session, &list[i]);
        left += answer.codes[i] == FROM_BROKER;
    }
    if (left == answer.count) {
        session_pass(packet, broker);
        return SESSION_CONTINUES;
    }
    if (left == 0) {
        session_put_suback(session, &answer, client);
        return SESSION_CONTINUES;
    }
    kept = session_free_answer(session);
    if (!kept)
        return session_end(session, MQTT_QUOTA_EXCEEDED, client);
    *kept = answer;
    session_forward_part(packet, &filters, list, &answer, broker);
    return SESSION_CONTINUES;
}

enum session_next session_on_unsubscribe(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client)
{
    struct mqtt_filters filters;
    struct mqtt_filter filter;
    bool malformed;

    if (!mqtt_read_filters(packet, session->level, &filters))
        return session_end(session, MQTT_MALFORMED, client);
    while (mqtt_next_filter(&filters, &filter, &malformed)) {
        int index = session_find_filter(session, filter.topic, false);

        if (index >= 0) {
            free(session->filters[index]);
            session->filters[index] = NULL;
        }
    }
    if (malformed)
        return session_end(session, MQTT_MALFORMED, client);
    session_pass(packet, broker);
    return SESSION_CONTINUES;
}

bool session_complete_suback(
    struct session *session, const struct mqtt_packet *packet, struct iotify_buffer *client)
{
    uint16_t id = mqtt_id(packet);
    size_t at = packet->body_size;

    for (size_t i = 0; i < ANSWERS_MAX; i++) {
        struct session_answer *answer = &session->answers[i];

        if (answer->id != id || id == 0)
            continue;
        /* The codes are at the end of the packet, after any properties. */
        for (size_t j = answer->count; j-- > 0 && at > 0;)
            if (answer->codes[j] == FROM_BROKER)
                answer->codes[j] = packet->body[--at];
        session_put_suback(session, answer, client);
        answer->id = 0;
        return true;
    }
    return false;
}
