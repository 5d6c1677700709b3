/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/cause.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/activity.h"
#include "core/base/log.h"
#include "core/simulate/client_ids.h"
#include "core/simulate/simulate_loop_internal.h"

/* Topics of scripts that a loop remembers: those of the last messages. */
#define TOPICS_MAX 1024
#define TOPIC_SIZE 128
/* So many causes a loop looks for: each takes some 50 µs, and a broker may hang up on all at once.
 */
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
    if (strlen(topic) >= TOPIC_SIZE)
        return;
    item = &topics->items[topics->next++ % TOPICS_MAX];
    item->device = device;
    snprintf(item->text, sizeof(item->text), "%s", topic);
}

/* ------------------------------------------------------------------ the connector's rules */

static const char *cause_refused(const struct template_file *template, struct call *call,
    enum iotify_request request, const char *client_id, const char *topic)
{
    const struct job_plugin *connector = template->job->connector;
    struct activity before;
    const char *cause;

    /* With a host of its own, the template does not connect to the connector's endpoint. */
    if (!connector || !connector->instance || !connector->plugin->connector.refused ||
        schema_names_host(
            template->transport->plugin->transport.connection, template->connection_node))
        return NULL;
    before = activity_begin(connector->plugin->name, "refused");
    cause = connector->plugin->connector.refused(
        connector->instance, &call->base, request, client_id, topic);
    activity_end(before);
    return cause;
}

/* ------------------------------------------------------------------ a connection that has ended */

/*
 * Scripts run neither here nor before the run: a topic or id that needs more than client() is not
 * known, and nothing is said about it.
 */
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

/* The topics that the script gave last, as many as may be in flight; that of the template if none.
 */
static const char *cause_in_topics(
    const struct device *device, struct call *call, const char *client_id)
{
    const struct simulate_loop *loop = device->loop;
    const struct template_file *template = loop->simulation->template;
    const struct cause_topics *topics = loop->topics;
    size_t left = device->ledger.open > 0 ? device->ledger.open : 1;
    const char *why = NULL, *topic;

    for (size_t i = 0; topics && !why && left > 0 && i < topics->next && i < TOPICS_MAX; i++) {
        const struct cause_topic *item = &topics->items[(topics->next - 1 - i) % TOPICS_MAX];

        if (item->device != device)
            continue;
        left--;
        why = cause_refused(template, call, IOTIFY_REQUEST_PUBLISH, client_id, item->text);
    }
    /* The script gives topics, also where those of this device are no longer remembered. */
    if (why || topics)
        return why;
    topic = cause_fill_in(&call->arena,
        schema_role_text(loop->operations->publish, IOTIFY_ROLE_TOPIC, loop->publish_options),
        device->client);
    return topic ? cause_refused(template, call, IOTIFY_REQUEST_PUBLISH, client_id, topic) : NULL;
}

static const char *cause_in_subscriptions(
    const struct template_file *template, struct call *call, const char *client_id, int64_t client)
{
    const char *why = NULL;

    for (size_t i = 0; !why && i < template->subscription_count; i++) {
        const char *filter = cause_fill_in(&call->arena, template->subscriptions[i].text, client);

        if (filter)
            why = cause_refused(template, call, IOTIFY_REQUEST_SUBSCRIBE, client_id, filter);
    }
    return why;
}

static const char *cause_find(
    const struct device *device, enum iotify_close reason, struct call *call)
{
    const struct simulate_loop *loop = device->loop;
    const struct template_file *template = loop->simulation->template;
    /* A server that has another connection with the id hangs up. */
    int64_t other = loop->simulation->ids && reason == IOTIFY_CLOSED_BY_PEER
                        ? client_ids_find_other(loop->simulation->ids, device->client)
                        : -1;
    const char *id = cause_fill_in(&call->arena,
        schema_role_text(loop->operations->connection, IOTIFY_ROLE_CLIENT_ID, template->connection),
        device->client);

    if (other >= 0)
        return arena_format(
            &call->arena, "client %lld connects with the same client id", (long long)other);
    if (!id)
        return NULL;
    if (reason == IOTIFY_CLOSED_REFUSED || reason == IOTIFY_CLOSED_DENIED)
        return cause_refused(template, call, IOTIFY_REQUEST_CONNECT, id, NULL);
    if (reason == IOTIFY_CLOSED_SUBSCRIPTION || !device->connected_at)
        return cause_in_subscriptions(template, call, id, device->client);
    return cause_in_topics(device, call, id);
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

bool cause_ids_may_clash(const struct template_file *template)
{
    const struct iotify_settings *settings = template->transport->plugin->transport.connection;
    const char *id = schema_role_text(settings, IOTIFY_ROLE_CLIENT_ID, template->connection);
    struct iotify_setting shared;

    if (!id || strstr(id, client_expression))
        return false;
    return !schema_find_role(settings, IOTIFY_ROLE_SHARED_ID, IOTIFY_TYPE_BOOLEAN, &shared) ||
           !*(const bool *)(const void *)((const char *)template->connection + shared.offset);
}

void cause_check(const struct step *step, const struct template_file *template, int64_t client)
{
    const struct iotify_transport *transport = &template->transport->plugin->transport;
    struct call call;
    const char *id, *topic, *why = NULL;
    /* Over HTTP a device has no id: its certificate is all that the server knows. */
    bool named =
        schema_find_role(transport->connection, IOTIFY_ROLE_CLIENT_ID, IOTIFY_TYPE_STRING, NULL);

    call_init(&call, step->name);
    call.base.client = client;
    id = cause_fill_in(&call.arena,
        schema_role_text(transport->connection, IOTIFY_ROLE_CLIENT_ID, template->connection),
        client);
    topic = cause_fill_in(&call.arena,
        schema_role_text(transport->publish, IOTIFY_ROLE_TOPIC, template->publish), client);
    if (id)
        why = cause_refused(template, &call, IOTIFY_REQUEST_CONNECT, id, NULL);
    if ((id || !named) && topic && *topic && !why)
        why = cause_refused(template, &call, IOTIFY_REQUEST_PUBLISH, id, topic);
    if (id && !why)
        why = cause_in_subscriptions(template, &call, id, client);
    if (why)
        log_write(IOTIFY_LOG_WARNING, step->name, "%s: %s", template->file, why);
    call_clear(&call);
}
