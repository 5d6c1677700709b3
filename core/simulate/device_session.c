/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/device_session.h"

#include <stdio.h>

#include "core/simulate/client_ids.h"
#include "core/simulate/device_failure.h"
#include "core/simulate/session_calls.h"
#include "core/simulate/simulate_loop_internal.h"

/* The topics to subscribe to, expressions evaluated; NULL and `*error` on failure. */
static const char *const *device_session_topics(
    struct device *device, struct arena *arena, const char **error)
{
    const struct loop_scripts *scripts = &device->loop->scripts;
    const struct template_file *template = device->loop->simulation->template;
    const char **topics = arena_array(arena, template->subscription_count + 1, sizeof(*topics));
    struct iotify_settings one = {.options_size = sizeof(char *)};

    for (size_t i = 0; i < template->subscription_count; i++) {
        const char *text = template->subscriptions[i].text;
        const char *const *bound = expression_set_apply(&scripts->subscriptions[i],
            scripts->context, device_turn(device), &one, &text, "", arena, error);

        if (!bound)
            return NULL;
        topics[i] = *bound;
    }
    return topics;
}

/* Of clients with the same client id, a server keeps one connected. */
static void device_session_note_id(struct device *device, const void *options)
{
    const struct simulation *simulation = device->loop->simulation;
    const char *id;
    char text[240];
    int64_t other;

    if (!simulation->ids)
        return;
    id = schema_role_text(device->loop->operations->connection, IOTIFY_ROLE_CLIENT_ID, options);
    other = id ? client_ids_note(simulation->ids, id, device->client) : -1;
    if (other < 0)
        return;
    snprintf(text, sizeof(text),
        "clients have the same client id, of which a server keeps one connected: this one, and "
        "client %lld; put {{client()}} into client_id, or set shared_client_id: true",
        (long long)other);
    device_fail(device, "SameClientId", text);
}

enum iotify_result device_session_new(struct device *device, struct call *call)
{
    struct simulate_loop *loop = device->loop;
    const struct simulation *simulation = loop->simulation;
    const char *error = NULL, *const *topics = NULL;
    const void *options;

    call->base.client = device->client;
    options = expression_set_apply(&loop->scripts.connection, loop->scripts.context,
        device_turn(device), loop->operations->connection, simulation->connection,
        simulation->run->job->directory, &call->arena, &error);
    if (options)
        device_session_note_id(device, options);
    if (options)
        topics = device_session_topics(device, &call->arena, &error);
    if (!topics)
        return call_fail(&call->base, IOTIFY_RESULT_INVALID, "ScriptError", "%s (client %lld)",
            error, (long long)device->client);
    return session_calls_new(
        device, call, options, topics, simulation->template->subscription_count);
}

void device_session_count_connect(struct device *device, const struct iotify_connect_times *times)
{
    struct tally *tally = device_tally(device);

    histogram_add(&tally->times[TALLY_CONNECT], times->tcp + times->tls + times->session);
    histogram_add(&tally->times[TALLY_CONNECT_TCP], times->tcp);
    if (times->tls > 0)
        histogram_add(&tally->times[TALLY_CONNECT_TLS], times->tls);
    histogram_add(&tally->times[TALLY_CONNECT_SESSION], times->session);
    tally->counts[device->was_connected ? TALLY_RECONNECTS : TALLY_CONNECTED]++;
    tally->counts[TALLY_RESENT] += times->resent;
    tally->counts[TALLY_RESUMED] += times->resumed;
    atomic_fetch_add(&device->loop->report.connected, 1);
}
