/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/cause.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/script/expression.h"
#include "core/simulate/client_ids.h"
#include "core/simulate/simulate_loop_internal.h"

/* Topics of scripts that a loop remembers: those of the last messages. */
#define TOPICS_MAX 1024
#define TOPIC_SIZE 128
/* So many causes a loop looks for: each takes some 50 µs, and a broker may hang up on all at once. */
#define CAUSES_MAX 1000

struct cause_topics {
    size_t next;
    struct cause_topic {
        const struct device *device;
        char text[TOPIC_SIZE];
    } items[TOPICS_MAX];
};

void cause_note_topic(struct device *device, const char *topic)
{
    struct simulate_loop *loop = device->loop;
    struct cause_topics *topics = loop->topics;
    struct cause_topic *item;

    if (!topics)
        topics = loop->topics = arena_alloc(&loop->arena, sizeof(*topics));
    item = &topics->items[topics->next++ % TOPICS_MAX];
    item->device = device;
    /* A longer one is compared without its end, which a pattern rarely depends on. */
    snprintf(item->text, sizeof(item->text), "%s", topic);
}

/* ------------------------------------------------------------------ the connector's rules */

static const char *cause_refused(const struct template_file *template, struct call *call,
    enum iotify_request request, const char *client_id, const char *topic)
{
    const struct job_plugin *connector = template->job->connector;
    struct iotify_setting host;

    /* With a host of its own, the template does not connect to the connector's endpoint. */
    if (!connector || !connector->plugin->connector.refused || !client_id ||
        (schema_find_role(template->transport->plugin->transport.connection, IOTIFY_ROLE_HOST,
             IOTIFY_STRING, &host) &&
            !node_is_empty(schema_given(template->connection_node, host.name))))
        return NULL;
    return connector->plugin->connector.refused(
        connector->instance, &call->base, request, client_id, topic);
}

static const char *cause_text_of(
    const struct iotify_settings *settings, enum iotify_role role, const void *options)
{
    struct iotify_setting setting;

    return options && schema_find_role(settings, role, IOTIFY_STRING, &setting)
               ? *(const char *const *)(const void *)((const char *)options + setting.offset)
               : NULL;
}

/* ------------------------------------------------------------------ a connection that has ended */

/* The options, with the device's values; NULL when an expression fails. */
static const void *cause_apply(const struct device *device, const struct expression_set *set,
    const struct iotify_settings *settings, const void *options, struct arena *arena)
{
    const struct simulate_loop *loop = device->loop;
    const char *error;

    return expression_set_apply(set, loop->scripts.context, device_turn(device), settings, options,
        loop->simulation->run->job->directory, arena, &error);
}

static const char *cause_in_topics(
    const struct device *device, struct call *call, const char *client_id)
{
    const struct simulate_loop *loop = device->loop;
    const struct template_file *template = loop->simulation->template;
    const void *options = cause_apply(device, &loop->scripts.publish, loop->operations->publish,
        loop->publish_options, &call->arena);
    const char *topic = cause_text_of(loop->operations->publish, IOTIFY_ROLE_TOPIC, options);
    const char *why =
        topic ? cause_refused(template, call, IOTIFY_REQUEST_PUBLISH, client_id, topic) : NULL;

    for (size_t i = 0; !why && loop->topics && i < TOPICS_MAX; i++)
        if (loop->topics->items[i].device == device)
            why = cause_refused(
                template, call, IOTIFY_REQUEST_PUBLISH, client_id, loop->topics->items[i].text);
    return why;
}

static const char *cause_in_subscriptions(
    const struct device *device, struct call *call, const char *client_id)
{
    const struct simulate_loop *loop = device->loop;
    const struct template_file *template = loop->simulation->template;
    const struct iotify_settings one = {.options_size = sizeof(char *)};
    const char *why = NULL;

    for (size_t i = 0; !why && i < template->subscription_count; i++) {
        const char *const *filter = cause_apply(device, &loop->scripts.subscriptions[i], &one,
            &template->subscriptions[i].text, &call->arena);

        if (filter)
            why = cause_refused(template, call, IOTIFY_REQUEST_SUBSCRIBE, client_id, *filter);
    }
    return why;
}

static const char *cause_in_ids(
    const struct device *device, const char *client_id, struct arena *arena)
{
    struct client_ids *ids = device->loop->simulation->ids;
    int64_t other = ids && client_id ? client_ids_note(ids, client_id, device->client) : -1;

    return other < 0 ? NULL
                     : arena_format(arena, "client %lld connects with the same client id, %s",
                           (long long)other, client_id);
}

static const char *cause_find(
    const struct device *device, enum iotify_close reason, struct call *call)
{
    const struct simulate_loop *loop = device->loop;
    const struct iotify_settings *settings = loop->operations->connection;
    const void *options = cause_apply(
        device, &loop->scripts.connection, settings, loop->simulation->connection, &call->arena);
    const char *id = cause_text_of(settings, IOTIFY_ROLE_CLIENT_ID, options);
    const char *why = cause_in_ids(device, id, &call->arena);

    if (why)
        return why;
    if (reason == IOTIFY_CLOSED_SUBSCRIPTION)
        return cause_in_subscriptions(device, call, id);
    if (device->connected_at)
        return cause_in_topics(device, call, id);
    why = cause_refused(loop->simulation->template, call, IOTIFY_REQUEST_CONNECT, id, NULL);
    return why ? why : cause_in_subscriptions(device, call, id);
}

const char *cause_of_close(
    struct device *device, enum iotify_close reason, const char *text, struct arena *arena)
{
    struct call call;
    const char *why;

    if (reason != IOTIFY_CLOSED_BY_PEER && reason != IOTIFY_CLOSED_REFUSED &&
        reason != IOTIFY_CLOSED_DENIED && reason != IOTIFY_CLOSED_SUBSCRIPTION)
        return text;
    if (device->loop->causes >= CAUSES_MAX)
        return text;
    device->loop->causes++;
    call_init(&call, device->loop->simulation->where);
    call.base.client = device->client;
    why = cause_find(device, reason, &call);
    /* The transport's own question about the cause is answered. */
    if (why)
        text = arena_format(arena, "%.*s: %s", (int)strcspn(text, ";"), text, why);
    call_clear(&call);
    return text;
}

/* ------------------------------------------------------------------ before the run */

static const char client_expression[] = "{{client()}}";

/* The text with {{client()}} filled in; NULL when it needs the script engine. */
static const char *cause_fill_in(struct arena *arena, const char *text, int64_t client)
{
    const char *at = text ? strstr(text, "{{") : NULL;

    if (!at)
        return text;
    if (strncmp(at, client_expression, strlen(client_expression)) != 0)
        return NULL;
    return cause_fill_in(arena,
        arena_format(arena, "%.*s%lld%s", (int)(at - text), text, (long long)client,
            at + strlen(client_expression)),
        client);
}

bool cause_ids_may_clash(const struct template_file *template)
{
    const struct iotify_settings *settings = template->transport->plugin->transport.connection;
    const char *id = cause_text_of(settings, IOTIFY_ROLE_CLIENT_ID, template->connection);
    struct iotify_setting shared;

    if (!id || strstr(id, client_expression))
        return false;
    return !schema_find_role(settings, IOTIFY_ROLE_SHARED_ID, IOTIFY_BOOLEAN, &shared) ||
           !*(const bool *)(const void *)((const char *)template->connection + shared.offset);
}

void cause_check(const struct step *step, const struct template_file *template, int64_t client)
{
    const struct iotify_transport *transport = &template->transport->plugin->transport;
    struct call call;
    const char *id, *topic, *why = NULL;

    call_init(&call, step->name);
    call.base.client = client;
    id = cause_fill_in(&call.arena,
        cause_text_of(transport->connection, IOTIFY_ROLE_CLIENT_ID, template->connection), client);
    topic = cause_fill_in(&call.arena,
        cause_text_of(transport->publish, IOTIFY_ROLE_TOPIC, template->publish), client);
    if (id)
        why = cause_refused(template, &call, IOTIFY_REQUEST_CONNECT, id, NULL);
    if (id && topic && !why)
        why = cause_refused(template, &call, IOTIFY_REQUEST_PUBLISH, id, topic);
    for (size_t i = 0; id && !why && i < template->subscription_count; i++) {
        topic = cause_fill_in(&call.arena, template->subscriptions[i].text, client);
        if (topic)
            why = cause_refused(template, &call, IOTIFY_REQUEST_SUBSCRIBE, id, topic);
    }
    if (why)
        log_write(IOTIFY_WARNING, step->name, "%s: %s", template->file, why);
    call_clear(&call);
}
