/* SPDX-License-Identifier: Apache-2.0 */
#include "core/output/exporter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/log.h"

#define TEXT_MAX (4u << 20)
#define CONNECTIONS_MAX 16
#define TIMEOUT_SECONDS 10

struct exporter {
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock;
    struct iotify_buffer text; /* under the lock */
};

static enum MHD_Result exporter_answer(
    struct MHD_Connection *connection, unsigned status, const char *type, const char *text)
{
    size_t size = strlen(text);
    char *copy = malloc(size + 1);
    struct MHD_Response *response;
    enum MHD_Result result;

    if (!copy)
        return MHD_NO;
    memcpy(copy, text, size + 1);
    response = MHD_create_response_from_buffer(size, copy, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(copy);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result exporter_on_request(void *argument, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version, const char *data, size_t *size,
    void **context)
{
    struct exporter *exporter = argument;
    enum MHD_Result result;

    (void)version, (void)data, (void)context;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        *size = 0;
        return exporter_answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "GET only\n");
    }
    if (strcmp(url, "/metrics") != 0)
        return exporter_answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", "see /metrics\n");
    pthread_mutex_lock(&exporter->lock);
    result = exporter_answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
        iotify_buffer_text(&exporter->text));
    pthread_mutex_unlock(&exporter->lock);
    return result;
}

/* "9100" or "127.0.0.1:9100" */
static bool exporter_parse_address(const char *text, struct sockaddr_in *address)
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

struct exporter *exporter_open(const char *text, const char **error)
{
    struct exporter *exporter;
    const union MHD_DaemonInfo *bound;
    struct sockaddr_in address;
    char host[INET_ADDRSTRLEN];

    if (!exporter_parse_address(text, &address)) {
        *error = "takes a port, or ADDRESS:PORT with an IPv4 address";
        return NULL;
    }
    exporter = memory_new(1, sizeof(*exporter));
    pthread_mutex_init(&exporter->lock, NULL);
    iotify_buffer_init(&exporter->text, TEXT_MAX);
    errno = 0;
    exporter->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL,
        exporter_on_request, exporter, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT,
        CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_SECONDS,
        MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U, MHD_OPTION_END);
    if (!exporter->daemon) {
        *error = errno ? strerror(errno) : "cannot listen";
        exporter_close(exporter);
        return NULL;
    }
    bound = MHD_get_daemon_info(exporter->daemon, MHD_DAEMON_INFO_BIND_PORT);
    inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host));
    log_write(IOTIFY_INFO, "", "metrics on http://%s:%u/metrics", host,
        bound ? bound->port : ntohs(address.sin_port));
    return exporter;
}

void exporter_set(struct exporter *exporter, const struct iotify_buffer *text)
{
    pthread_mutex_lock(&exporter->lock);
    iotify_buffer_reset(&exporter->text);
    iotify_buffer_append(&exporter->text, text->data ? text->data : "", text->size);
    pthread_mutex_unlock(&exporter->lock);
}

void exporter_close(struct exporter *exporter)
{
    if (!exporter)
        return;
    if (exporter->daemon)
        MHD_stop_daemon(exporter->daemon);
    iotify_buffer_clear(&exporter->text);
    pthread_mutex_destroy(&exporter->lock);
    free(exporter);
}
