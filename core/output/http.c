/* SPDX-License-Identifier: Apache-2.0 */
#include "core/output/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/log.h"

/* MHD_USE_AUTO: not select(), since the sessions of devices may have the first 1,024 descriptors.
 */
#define HTTP_FLAGS (MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME)
/* A client that neither reads nor asks for this long is dropped. */
#define TIMEOUT_SECONDS 10

enum MHD_Result http_respond(
    struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result http_answer(struct MHD_Connection *connection, unsigned status, const char *type,
    const char *text, size_t size)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, (void *)text, MHD_RESPMEM_MUST_COPY);

    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    }
    return http_respond(connection, status, response);
}

static enum MHD_Result http_on_request(void *argument, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version, const char *data, size_t *size,
    void **context)
{
    static const char only_get[] = "GET only\n";
    struct http_server *server = argument;

    (void)version, (void)data, (void)context;
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return server->handler(server->argument, connection, url);
    *size = 0;
    return http_answer(
        connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", only_get, sizeof(only_get) - 1);
}

/* "9100" or "127.0.0.1:9100" */
static bool http_parse_address(const char *text, struct sockaddr_in *address)
{
    const char *colon = strrchr(text, ':'), *digits = colon ? colon + 1 : text;
    char host[INET_ADDRSTRLEN];
    char *end;
    long port;

    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (colon) {
        if ((size_t)(colon - text) >= sizeof(host))
            return false;
        memcpy(host, text, (size_t)(colon - text));
        host[colon - text] = '\0';
        if (inet_pton(AF_INET, host, &address->sin_addr) != 1)
            return false;
    }
    if (*digits < '0' || *digits > '9')
        return false;
    port = strtol(digits, &end, 10);
    if (*end || port > UINT16_MAX)
        return false;
    address->sin_port = htons((uint16_t)port);
    return true;
}

struct http_server *http_listen(const char *text, const char *what, const char *path,
    http_handler handler, void *argument, const char **error)
{
    struct http_server *server;
    const union MHD_DaemonInfo *bound;
    struct sockaddr_in address;
    char host[INET_ADDRSTRLEN];

    errno = 0;
    if (!http_parse_address(text, &address)) {
        *error = "takes a port, or ADDRESS:PORT with an IPv4 address";
        return NULL;
    }
    server = memory_new(1, sizeof(*server));
    server->handler = handler;
    server->argument = argument;
    server->daemon = MHD_start_daemon(HTTP_FLAGS, 0, NULL, NULL, http_on_request, server,
        MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_SECONDS, MHD_OPTION_END);
    if (!server->daemon) {
        errno = errno ? errno : EADDRINUSE;
        *error = strerror(errno);
        free(server);
        return NULL;
    }
    bound = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host));
    log_write(IOTIFY_LOG_INFO, "", "%s on http://%s:%u%s", what, host,
        bound ? bound->port : ntohs(address.sin_port), path);
    return server;
}

void http_close(struct http_server *server)
{
    if (!server)
        return;
    MHD_stop_daemon(server->daemon);
    free(server);
}
