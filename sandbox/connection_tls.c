/* SPDX-License-Identifier: Apache-2.0 */
/* The start of a connection: TLS handshake, client certificate, session or HTTP client. */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/ca.h"
#include "sandbox/connection.h"
#include "sandbox/connection_internal.h"

static void connection_peer_address(const struct connection *connection, char *text, size_t size)
{
    struct sockaddr_in address = {0};
    socklen_t length = sizeof(address);

    if (getpeername(connection->client, (struct sockaddr *)&address, &length) != 0 ||
        !inet_ntop(AF_INET, &address.sin_addr, text, (socklen_t)size))
        snprintf(text, size, "127.0.0.1");
}

static bool connection_is_valid_now(const X509 *certificate)
{
    return X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

/* Refuses a client whose certificate is missing, expired or not valid yet. */
static bool connection_accept(struct connection *connection)
{
    const X509 *certificate = SSL_get0_peer_certificate(connection->ssl);
    const unsigned char *protocol = NULL;
    unsigned length = 0;
    char address[64];

    if (!certificate || !connection_is_valid_now(certificate))
        return false;
    SSL_get0_alpn_selected(connection->ssl, &protocol, &length);
    if (length == 14 && memcmp(protocol, "x-amzn-http-ca", 14) == 0)
        connection->protocol = HTTPS;
    if (length == 14 && memcmp(protocol, "x-amzn-mqtt-ca", 14) == 0)
        connection->protocol = MQTT;
    ca_fingerprint(certificate, connection->id);
    connection_peer_address(connection, address, sizeof(address));
    if (connection->protocol == MQTT) {
        connection->session =
            session_new(connection->common->world, certificate, connection->id, address);
        return true;
    }
    connection->peer = https_accept(
        connection->common->https, certificate, connection->id, address, &connection->https);
    if (connection->peer < 0 ||
        uv_poll_init(connection->common->loop, &connection->peer_poll, connection->peer) != 0)
        return false;
    connection->peer_poll.data = connection;
    connection->peer_watched = true;
    connection->open_handles++;
    return true;
}

void connection_handshake(struct connection *connection)
{
    int result;

    connection->client_wants_write = false;
    result = connection_tls_result(connection, SSL_accept(connection->ssl));
    if (result == 0) {
        uv_poll_start(&connection->client_poll,
            connection->client_wants_write ? UV_WRITABLE : UV_READABLE, connection_on_client);
        return;
    }
    if (result < 0 || !connection_accept(connection)) {
        connection_close(connection);
        return;
    }
    connection->secured = true;
    if (connection->protocol == HTTPS)
        uv_timer_stop(&connection->deadline);
    connection_work(connection);
}

void connection_on_client(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;

    (void)events;
    if (connection->stalled || (status < 0 && !connection->secured))
        connection_close(connection);
    else if (connection->secured)
        connection_work(connection);
    else
        connection_handshake(connection);
}
