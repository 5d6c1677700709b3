/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/ca.h"
#include "sandbox/key_pool.h"
#include "sandbox/state.h"
#include "sandbox/validate.h"

static struct state *state;
static struct ca *ca;

static double no_quota(void *argument, const char *operation)
{
    (void)argument;
    (void)operation;
    return 0;
}

static bool publish_nowhere(
    void *argument, const char *topic, const char *payload, size_t size, int qos, bool retain)
{
    (void)argument;
    (void)topic;
    (void)payload;
    (void)size;
    (void)qos;
    (void)retain;
    return true;
}

static const struct request_service service = {.mqtt_port = 8883,
    .https_port = 8443,
    .deprecation_wait_ms = 300000,
    .quota = no_quota,
    .publish = publish_nowhere};

static void open_world(void)
{
    char folder[] = "/tmp/iotify-fuzz-XXXXXX", path[64];

    if (!mkdtemp(folder))
        abort();
    state = state_open(NULL);
    ca = ca_open(folder);
    if (!state || !ca)
        abort();
    /* The files have been read: remove them. */
    snprintf(path, sizeof(path), "%s/ca.pem", folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/ca.key", folder);
    unlink(path);
    rmdir(folder);
}

struct state *world_state(void)
{
    if (!state)
        open_world();
    return state;
}

/* The value of `name=` in a query, not decoded: the fuzzer writes the final text. */
static const char *query_of(void *context, const char *name)
{
    static char value[4096];
    size_t length = strlen(name);

    for (const char *at = context; *at; at += strcspn(at, "&"), at += *at == '&')
        if (strncmp(at, name, length) == 0 && at[length] == '=') {
            snprintf(
                value, sizeof(value), "%.*s", (int)strcspn(at + length + 1, "&"), at + length + 1);
            return value;
        }
    return NULL;
}

static const char *header_of(void *context, const char *name)
{
    return query_of(context, name);
}

const struct operation *world_call(
    const char *method, const char *target, const char *body, size_t size, struct response *out)
{
    char *path = strdup(target), *query = strchr(path, '?');
    json_t *input = json_object(), *object;
    const struct operation *operation;
    struct request request;

    world_state();
    *out = (struct response){.status = 200};
    if (query)
        *query++ = '\0';
    operation = operation_route(method, path, input);
    object = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        object = json_object();
    }
    if (operation) {
        const struct validate_source arrival = {
            query_of, header_of, query ? query : (char[1]){""}, object};

        request =
            (struct request){operation, "eu-central-1", body, size, input, state, ca, &service};
        if (validate(operation, &arrival, input, out)) {
            state_begin(state);
            operation->run(&request, out);
            state_end(state, out->error == NULL);
        }
    }
    json_decref(object);
    json_decref(input);
    free(path);
    return operation;
}
