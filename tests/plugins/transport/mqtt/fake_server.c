/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_server.h"
#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/plugin/call.h"
#include "core/plugin/registry.h"
#include "core/settings/schema.h"
#include "sandbox/ca.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mqtt_world.h"

struct fake_server fake_server;

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *size,
    const unsigned char *offered, unsigned length, void *argument)
{
    (void)ssl;
    (void)argument;
    snprintf(fake_server.alpn, sizeof(fake_server.alpn), "%.*s", (int)length - 1,
        (const char *)offered + 1);
    *out = offered + 1;
    *size = offered[0];
    return SSL_TLSEXT_ERR_OK;
}

/* A TLS handshake, then CONNACK after the first data. */
static void speak_tls(void)
{
    static const unsigned char connack[] = {0x20, 2, 0, 0};
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL *ssl = SSL_new(context);
    char bytes[1000];

    SSL_free(ssl);
    ca_use(setup.ca, context);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    ssl = SSL_new(context);
    SSL_set_fd(ssl, fake_server.client);
    if (SSL_accept(ssl) == 1) {
        const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

        snprintf(fake_server.sni, sizeof(fake_server.sni), "%s", name ? name : "");
        if (SSL_read(ssl, bytes, sizeof(bytes)) > 0) {
            SSL_write(ssl, connack, sizeof(connack));
            SSL_read(ssl, bytes, sizeof(bytes));
        }
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
}

static void *serve(void *argument)
{
    char bytes[1000];

    (void)argument;
    fake_server.client = accept(fake_server.listener, NULL, NULL);
    if (fake_server.client < 0)
        return NULL;
    if (fake_server.behaviour == SPEAKS_TLS)
        speak_tls();
    if (fake_server.behaviour == SENDS_GARBAGE &&
        write(fake_server.client, "HTTP/1.1 400 Bad Request\r\n\r\n", 28) == 28)
        while (read(fake_server.client, bytes, sizeof(bytes)) > 0)
            continue;
    if (fake_server.behaviour == IS_SILENT)
        while (read(fake_server.client, bytes, sizeof(bytes)) > 0)
            continue;
    close(fake_server.client);
    return NULL;
}

/*
 * Open a listening socket on a port below those of outgoing connections, and set `*port`. After the
 * caller closes it, no outgoing connection can take the port, and a probe cannot connect to itself.
 */
int fake_server_listen(int *port)
{
    static int next;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), code, on = 1;

    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    do {
        *port = 20000 + (getpid() * 12 + next++) % 12000;
        address.sin_port = htons((uint16_t)*port);
        code = bind(descriptor, (struct sockaddr *)&address, sizeof(address));
    } while (code != 0 && next < 10000);
    assert_int_equal(code, 0);
    assert_int_equal(listen(descriptor, 10), 0);
    return descriptor;
}

void fake_server_start(enum behaviour behaviour)
{
    memset(&fake_server, 0, sizeof(fake_server));
    fake_server.behaviour = behaviour;
    fake_server.listener = fake_server_listen(&fake_server.port);
    assert_int_equal(pthread_create(&fake_server.thread, NULL, serve, NULL), 0);
}

void fake_server_stop(void)
{
    shutdown(fake_server.listener, SHUT_RDWR);
    pthread_join(fake_server.thread, NULL);
    close(fake_server.listener);
}
