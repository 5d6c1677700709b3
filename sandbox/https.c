/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/https.h"

#include <jansson.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iotify/buffer.h>

#include "sandbox/response.h"

#define PAYLOAD_MAX (128 * 1024)
#define PAYLOAD_READ_MAX (16 * PAYLOAD_MAX)
#define CONNECTIONS_MAX 8000

/* One connection. Its number is passed to the HTTP server as a made-up client address. */
struct https_client {
    uint32_t number;
    X509 *certificate;
    char id[65], source_ip[64];
    struct https_client *next;
};

struct https {
    struct authorization *authorization;
    struct publisher *publisher;
    struct MHD_Daemon *daemon;
    pthread_mutex_t mutex; /* guards the list and its clients */
    struct https_client *clients;
    uint32_t last;
};

/* One request while its body arrives. */
struct https_request {
    bool begun, has_nul; /* its headers have arrived; its URI contains %00 */
    struct iotify_buffer body;
};

/* ------------------------------------------------------------------ answering */

static enum MHD_Result https_answer(
    struct MHD_Connection *connection, unsigned status, const char *text)
{
    json_t *body =
        json_pack("{s:s, s:s}", "message", text, "traceId", "00000000-0000-4000-8000-000000000000");
    char *dump = json_dumps(body, JSON_COMPACT);
    struct MHD_Response *response;
    enum MHD_Result result;

    json_decref(body);
    if (!dump)
        return MHD_NO;
    response = MHD_create_response_from_buffer(strlen(dump), dump, MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(response, "Content-Type", "application/json");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static struct https_client *https_find_client(
    struct https *https, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr_in *address = (const void *)(info ? info->client_addr : NULL);
    struct https_client *client = https->clients;

    while (client && (!address || client->number != ntohl(address->sin_addr.s_addr)))
        client = client->next;
    return client;
}

/* Do the policies allow it? Over HTTPS there is no client id, and so no thing. */
static bool https_may_publish(
    struct https *https, struct MHD_Connection *connection, const char *topic, bool retain)
{
    const struct https_client *client;
    struct authorization_grants *grants;
    bool good = false;

    pthread_mutex_lock(&https->mutex);
    client = https_find_client(https, connection);
    if (client) {
        grants = authorization_load(
            https->authorization, client->certificate, client->id, "", client->source_ip);
        good = authorization_grants_allow(grants, "iot:Publish", "topic", topic) &&
               (!retain || authorization_grants_allow(grants, "iot:RetainPublish", "topic", topic));
        authorization_grants_free(grants);
    }
    pthread_mutex_unlock(&https->mutex);
    return good;
}

/* A query argument as 0 or 1, -1 when it is neither, `otherwise` when absent. */
static int https_number_argument(struct MHD_Connection *connection, const char *name, int otherwise)
{
    const char *text = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);

    if (!text)
        return otherwise;
    if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
        return 0;
    return strcmp(text, "1") == 0 || strcmp(text, "true") == 0 ? 1 : -1;
}

static enum MHD_Result https_publish(struct https *https, struct MHD_Connection *connection,
    const char *url, const struct https_request *arrived)
{
    static const char prefix[] = "/topics/";
    const char *topic = url + strlen(prefix);
    int qos = https_number_argument(connection, "qos", 0);
    int retain = https_number_argument(connection, "retain", 0);

    if (strncmp(url, prefix, strlen(prefix)) != 0)
        return https_answer(connection, 404, "Not Found");
    if (arrived->body.failed)
        return https_answer(connection, 413, "Payload too large");
    if (arrived->has_nul || !publisher_accepts(topic) || qos < 0 || retain < 0)
        return https_answer(connection, 400, "Bad Request");
    if (!https_may_publish(https, connection, topic, retain))
        return https_answer(connection, 403, "Forbidden");
    if (!publisher_publish(https->publisher, topic, iotify_buffer_text(&arrived->body),
            arrived->body.size, qos, retain))
        return https_answer(connection, 500, "The broker does not answer");
    return https_answer(connection, 200, "OK");
}

static void *https_on_uri(void *argument, const char *uri, struct MHD_Connection *connection)
{
    struct https_request *arrived = calloc(1, sizeof(*arrived));

    (void)argument;
    (void)connection;
    if (!arrived)
        return NULL;
    iotify_buffer_init(&arrived->body, PAYLOAD_MAX);
    arrived->has_nul = strstr(uri, "%00") != NULL;
    return arrived;
}

static enum MHD_Result https_on_request(void *argument, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version, const char *data, size_t *size,
    void **context)
{
    struct https_request *arrived = *context;

    (void)version;
    if (!arrived)
        return MHD_NO;
    if (!arrived->begun) {
        const char *length =
            MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "content-length");

        arrived->begun = true;
        /* A body slightly over the limit is read before the error; a much larger one is not. */
        return length && strtoull(length, NULL, 10) > PAYLOAD_READ_MAX
                   ? https_answer(connection, 413, "Payload too large")
                   : MHD_YES;
    }
    if (*size) {
        iotify_buffer_append(&arrived->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (strcmp(method, "POST") != 0)
        return https_answer(connection, 405, "Method Not Allowed");
    return https_publish(argument, connection, url, arrived);
}

static void https_on_completed(void *argument, struct MHD_Connection *connection, void **context,
    enum MHD_RequestTerminationCode code)
{
    struct https_request *arrived = *context;

    (void)argument;
    (void)connection;
    (void)code;
    if (arrived)
        iotify_buffer_clear(&arrived->body);
    free(arrived);
    *context = NULL;
}

/* ------------------------------------------------------------------ life */

struct https *https_open(struct authorization *authorization, struct publisher *publisher)
{
    struct https *https = calloc(1, sizeof(*https));

    if (!https)
        return NULL;
    https->authorization = authorization;
    https->publisher = publisher;
    pthread_mutex_init(&https->mutex, NULL);
    https->daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC, 0,
            NULL, NULL, https_on_request, https, MHD_OPTION_URI_LOG_CALLBACK, https_on_uri, NULL,
            MHD_OPTION_NOTIFY_COMPLETED, https_on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
            CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, 120, MHD_OPTION_END);
    if (https->daemon)
        return https;
    fprintf(stderr, "iotify-sandbox: cannot start the HTTP server\n");
    https_close(https);
    return NULL;
}

void https_close(struct https *https)
{
    if (!https)
        return;
    if (https->daemon)
        MHD_stop_daemon(https->daemon);
    while (https->clients)
        https_leave(https, https->clients);
    pthread_mutex_destroy(&https->mutex);
    free(https);
}

int https_accept(struct https *https, const X509 *certificate, const char *id,
    const char *source_ip, struct https_client **out)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct https_client *client = calloc(1, sizeof(*client));
    int pair[2];

    if (!client || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        free(client);
        return -1;
    }
    client->certificate = (X509 *)certificate;
    X509_up_ref(client->certificate);
    snprintf(client->id, sizeof(client->id), "%s", id);
    snprintf(client->source_ip, sizeof(client->source_ip), "%s", source_ip);
    pthread_mutex_lock(&https->mutex);
    client->number = ++https->last;
    client->next = https->clients;
    https->clients = client;
    pthread_mutex_unlock(&https->mutex);
    address.sin_addr.s_addr = htonl(client->number);
    *out = client;
    /* On failure it closes pair[1] itself. */
    if (MHD_add_connection(https->daemon, pair[1], (struct sockaddr *)&address, sizeof(address)) ==
        MHD_YES)
        return pair[0];
    close(pair[0]);
    https_leave(https, client);
    *out = NULL;
    return -1;
}

void https_leave(struct https *https, struct https_client *client)
{
    struct https_client **link = &https->clients;

    pthread_mutex_lock(&https->mutex);
    while (*link && *link != client)
        link = &(*link)->next;
    if (*link)
        *link = client->next;
    pthread_mutex_unlock(&https->mutex);
    X509_free(client->certificate);
    free(client);
}
