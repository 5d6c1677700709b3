/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/endpoint.h"

#include "core/base/activity.h"
#include "core/settings/schema.h"

/* The connector's endpoint for the first protocol of the transport for which it has one. */
static enum iotify_result endpoint_find(struct run *run, const struct iotify_transport *transport,
    struct call *call, struct iotify_endpoint *endpoint)
{
    const struct job_plugin *connector = run->job->connector;
    enum iotify_result result = run_connect(run, connector, call);
    struct activity before;
    bool asked = false;

    for (size_t i = 0; transport->protocols && transport->protocols[i]; i++) {
        if (asked ? result != IOTIFY_RESULT_NOT_FOUND : result != IOTIFY_RESULT_OK)
            break;
        asked = true;
        *endpoint = (struct iotify_endpoint){.struct_size = sizeof(*endpoint)};
        before = activity_begin(connector->plugin->name, "endpoint");
        result = connector->plugin->connector.endpoint(
            connector->instance, &call->base, transport->protocols[i], endpoint);
        activity_end(before);
        result = call_checked(call, connector->plugin->name, "endpoint", result);
    }
    if (result == IOTIFY_RESULT_OK && asked &&
        (!endpoint->host || !*endpoint->host || !endpoint->port))
        return call_fault(
            call, connector->plugin->name, "endpoint", "returned OK without host and port");
    return asked || result != IOTIFY_RESULT_OK ? result : IOTIFY_RESULT_NOT_FOUND;
}

/* Set the text setting with this role, unless the template has it. */
static void endpoint_fill_in_text(const struct iotify_settings *settings, const struct node *given,
    enum iotify_role role, const char *text, char *options, struct arena *arena)
{
    struct iotify_setting setting;

    if (text && schema_find_role(settings, role, IOTIFY_TYPE_STRING, &setting) &&
        node_is_empty(schema_given(given, setting.name)))
        *(const char **)(void *)(options + setting.offset) = arena_string(arena, text);
}

bool endpoint_fill_in(
    struct run *run, struct simulation *simulation, struct arena *arena, struct call *call)
{
    const struct job_plugin *connector = run->job->connector;
    const struct iotify_transport *transport = &simulation->template->transport->plugin->transport;
    const struct iotify_settings *settings = transport->connection;
    const struct node *given = simulation->template->connection_node;
    struct iotify_endpoint endpoint;
    struct iotify_setting setting;
    char *options = arena_copy(arena, simulation->template->connection, settings->options_size);
    enum iotify_result result;

    simulation->connection = options;
    if (schema_names_host(settings, given) || !connector || !connector->plugin->connector.endpoint)
        return true;
    result = endpoint_find(run, transport, call, &endpoint);
    if (result == IOTIFY_RESULT_NOT_FOUND)
        return true;
    if (result != IOTIFY_RESULT_OK)
        return false;
    simulation->publish_rate = endpoint.publish_rate;
    simulation->payload_max = endpoint.payload_max;
    endpoint_fill_in_text(settings, given, IOTIFY_ROLE_HOST, endpoint.host, options, arena);
    endpoint_fill_in_text(settings, given, IOTIFY_ROLE_CA, endpoint.ca, options, arena);
    endpoint_fill_in_text(settings, given, IOTIFY_ROLE_ALPN, endpoint.alpn, options, arena);
    if (schema_find_role(settings, IOTIFY_ROLE_PORT, IOTIFY_TYPE_INTEGER, &setting) &&
        node_is_empty(schema_given(given, setting.name)))
        *(int64_t *)(void *)(options + setting.offset) = endpoint.port;
    return true;
}
