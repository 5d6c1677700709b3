/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS IoT's control plane, as far as measuring a client needs it: every call is answered at once,
 * from memory, like one that succeeds. HTTP/1.1 with keep-alive on loopback, one thread.
 *
 *     bench-canned PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 16384, EVENTS = 256 };

struct connection {
    int socket;
    size_t size;
    char data[REQUEST_MAX + 1];
};

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CERTIFICATE                                                                                \
    "{\"certificateArn\":\"arn:aws:iot:eu-central-1:123456789012:cert/" ID                         \
    "\",\"certificateId\":\"" ID "\"}"

/* The answer to everything else that is created. */
#define MADE                                                                                       \
    "{\"thingArn\":\"a\",\"thingTypeArn\":\"a\",\"thingGroupArn\":\"a\",\"policyArn\":\"a\"}"

/* Every GET finds nothing, so that the client creates it; every other call succeeds. */
static const char *answer_of(const char *request, int *status)
{
    *status = 200;
    if (strncmp(request, "GET ", 4) == 0) {
        *status = 404;
        return "{\"__type\":\"ResourceNotFoundException\",\"message\":\"not there\"}";
    }
    return strncmp(request, "POST /certificate/", 18) == 0 ? CERTIFICATE : MADE;
}

static bool reply(const struct connection *connection)
{
    char text[1024];
    int status, size;
    const char *body = answer_of(connection->data, &status);

    size = snprintf(text, sizeof(text),
        "HTTP/1.1 %d OK\r\ncontent-type: application/json\r\n%scontent-length: %zu\r\n\r\n%s",
        status, status == 404 ? "x-amzn-errortype: ResourceNotFoundException\r\n" : "",
        strlen(body), body);
    return send(connection->socket, text, (size_t)size, MSG_NOSIGNAL) == size;
}

/* The size of the first complete request; 0: it is incomplete. */
static size_t whole(const struct connection *connection)
{
    const char *end = strstr(connection->data, "\r\n\r\n");
    const char *length = strcasestr(connection->data, "\r\ncontent-length:");
    size_t body = 0;

    if (!end)
        return 0;
    if (length && length < end)
        body = strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
    body += (size_t)(end - connection->data) + 4;
    return connection->size >= body ? body : 0;
}

/* False: the connection has ended. */
static bool serve(struct connection *connection)
{
    ssize_t got = recv(
        connection->socket, connection->data + connection->size, REQUEST_MAX - connection->size, 0);
    size_t size;

    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    connection->size += (size_t)got;
    connection->data[connection->size] = '\0';
    while ((size = whole(connection)) > 0) {
        if (!reply(connection))
            return false;
        connection->size -= size;
        memmove(connection->data, connection->data + size, connection->size + 1);
    }
    return connection->size < REQUEST_MAX;
}

static int listen_on(int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (socket_ < 0 || bind(socket_, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(socket_, 1024) != 0) {
        perror("bench-canned");
        exit(1);
    }
    return socket_;
}

static void take(int epoll, int listener)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    int on = 1;

    if (!connection)
        abort();
    connection->socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    epoll_ctl(epoll, EPOLL_CTL_ADD, connection->socket, &event);
}

int main(int count, char **arguments)
{
    int listener = listen_on(count > 1 ? atoi(arguments[1]) : 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.ptr = NULL};

    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;

            if (!connection) {
                take(epoll, listener);
            } else if (!serve(connection)) {
                close(connection->socket);
                free(connection);
            }
        }
    }
}
