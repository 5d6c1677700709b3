/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/connection.h"

#define BACKLOG 4096

struct listener {
    int descriptor;
    uint16_t port;
    enum connection_protocol protocol;
    struct listeners *listeners;
    uv_poll_t poll;
    bool watched;
};

struct listeners {
    struct connections connections;
    struct listener mqtt, secure_http;
    uv_async_t wake;
    bool woken;
    int reserve; /* descriptor that is closed briefly when no others are left */
};

/* ------------------------------------------------------------------ listeners */

/* Out of descriptors: closes the client, whose waiting connection would wake the loop forever. */
static void listener_refuse(struct listener *listener)
{
    struct listeners *listeners = listener->listeners;
    int descriptor;

    if (listeners->reserve >= 0)
        close(listeners->reserve);
    descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_CLOEXEC);
    if (descriptor >= 0)
        close(descriptor);
    listeners->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_on(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    int descriptor;

    (void)status;
    (void)events;
    do {
        descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0)
            connections_take(&listener->listeners->connections, descriptor, listener->protocol);
        else if (errno == EMFILE || errno == ENFILE)
            listener_refuse(listener);
    } while (descriptor >= 0);
}

/* TLS accepts every certificate; the session checks whether it is registered. */
static int listener_accept_any(X509_STORE_CTX *store, void *argument)
{
    (void)store;
    (void)argument;
    return 1;
}

/* Like AWS, requires the server name in the handshake; it must match the server certificate. */
static int listener_check_name(SSL *ssl, int *alert, void *argument)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)argument;
    if (name && X509_check_host(SSL_get_certificate(ssl), name, 0, 0, NULL) == 1)
        return SSL_TLSEXT_ERR_OK;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ALPN: selects AWS's names for MQTT and HTTPS with client certificates; ignores others. */
static int listener_choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *size,
    const unsigned char *offered, unsigned length, void *argument)
{
    static const unsigned char known[] = "\x0ex-amzn-mqtt-ca\x0ex-amzn-http-ca";

    (void)ssl;
    (void)argument;
    return SSL_select_next_proto((unsigned char **)out, size, known, sizeof(known) - 1, offered,
               length) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

static SSL_CTX *listener_make_context(const struct ca *ca)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (!context)
        return NULL;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(context, listener_accept_any, NULL);
    SSL_CTX_set_alpn_select_cb(context, listener_choose_protocol, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_tlsext_servername_callback(context, listener_check_name);
    if (!ca_use(ca, context)) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

static bool listener_listen_on(struct listeners *listeners, struct listener *listener,
    const char *where, uint16_t port, enum connection_protocol protocol)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof(address);
    int on = 1;

    listener->listeners = listeners;
    listener->protocol = protocol;
    listener->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->descriptor < 0 || inet_pton(AF_INET, where, &address.sin_addr) != 1)
        return false;
    setsockopt(listener->descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener->descriptor, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener->descriptor, BACKLOG) != 0 ||
        getsockname(listener->descriptor, (struct sockaddr *)&address, &size) != 0 ||
        uv_poll_init(listeners->connections.loop, &listener->poll, listener->descriptor) != 0)
        return false;
    listener->port = ntohs(address.sin_port);
    listener->poll.data = listener;
    listener->watched = true;
    uv_poll_start(&listener->poll, UV_READABLE, listener_on);
    return true;
}

/* ------------------------------------------------------------------ changed certificates */

static void listener_on_wake(uv_async_t *async)
{
    struct listeners *listeners = async->data;
    char certificate[65];

    while (authorization_next_changed(listeners->connections.world->authorization, certificate))
        connections_recheck(&listeners->connections, certificate);
}

void listener_wake(struct listeners *listeners)
{
    uv_async_send(&listeners->wake);
}

/* ------------------------------------------------------------------ life */

static bool listener_print(const char *address, uint16_t port, const char *option)
{
    fprintf(stderr, "iotify-sandbox: cannot listen on %s port %d: %s; try %s 0\n", address, port,
        strerror(errno), option);
    return false;
}

static bool listener_open_all(
    struct listeners *listeners, const struct listener_options *options, const struct ca *ca)
{
    listeners->connections.context = listener_make_context(ca);
    if (!listeners->connections.context ||
        uv_async_init(listeners->connections.loop, &listeners->wake, listener_on_wake) != 0)
        return false;
    listeners->wake.data = listeners;
    listeners->woken = true;
    if (!listener_listen_on(
            listeners, &listeners->mqtt, options->address, options->mqtt_port, MQTT))
        return listener_print(options->address, options->mqtt_port, "--mqtt-port");
    if (!listener_listen_on(
            listeners, &listeners->secure_http, options->address, options->https_port, HTTPS))
        return listener_print(options->address, options->https_port, "--https-port");
    return true;
}

struct listeners *listener_open(uv_loop_t *loop, const struct listener_options *options,
    const struct session_world *world, const struct ca *ca, struct https *https)
{
    struct listeners *listeners = calloc(1, sizeof(*listeners));

    if (!listeners)
        return NULL;
    listeners->connections.loop = loop;
    listeners->connections.world = world;
    listeners->connections.https = https;
    listeners->mqtt.descriptor = listeners->secure_http.descriptor = -1;
    listeners->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    memcpy(listeners->connections.broker, options->broker, strlen(options->broker) + 1);
    if (listener_open_all(listeners, options, ca))
        return listeners;
    listener_close(listeners);
    uv_run(loop, UV_RUN_DEFAULT);
    listener_free(listeners);
    return NULL;
}

uint16_t listener_mqtt_port(const struct listeners *listeners)
{
    return listeners->mqtt.port;
}

uint16_t listener_https_port(const struct listeners *listeners)
{
    return listeners->secure_http.port;
}

size_t listener_sessions(const struct listeners *listeners)
{
    return listeners->connections.sessions;
}

void listener_close(struct listeners *listeners)
{
    connections_close(&listeners->connections);
    if (listeners->mqtt.watched)
        uv_close((uv_handle_t *)&listeners->mqtt.poll, NULL);
    if (listeners->secure_http.watched)
        uv_close((uv_handle_t *)&listeners->secure_http.poll, NULL);
    if (listeners->woken)
        uv_close((uv_handle_t *)&listeners->wake, NULL);
}

void listener_free(struct listeners *listeners)
{
    if (!listeners)
        return;
    if (listeners->mqtt.descriptor >= 0)
        close(listeners->mqtt.descriptor);
    if (listeners->secure_http.descriptor >= 0)
        close(listeners->secure_http.descriptor);
    if (listeners->reserve >= 0)
        close(listeners->reserve);
    SSL_CTX_free(listeners->connections.context);
    free(listeners);
}
