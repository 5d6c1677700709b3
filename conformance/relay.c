/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance/relay.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define BYTES 65536

enum relay_order { RELAY_NOTHING, RELAY_CUT, RELAY_CUT_RESET, RELAY_HALF_CLOSE };

struct relay_pair {
    int session, server; /* -1: closed */
};

struct relay {
    struct addrinfo *address; /* of the server */
    int listener, wake;
    uint16_t port;
    pthread_t thread;
    atomic_int mode, order; /* enum relay_mode, enum relay_order */
    atomic_uint done;       /* orders that were carried out */
    unsigned asked;
    atomic_bool stopped;
    struct relay_pair pairs[CONNECTIONS_MAX];
    size_t count;
};

static void relay_close_one(int *descriptor, bool reset)
{
    const struct linger now = {.l_onoff = 1};

    if (*descriptor < 0)
        return;
    if (reset)
        setsockopt(*descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(*descriptor);
    *descriptor = -1;
}

static void relay_close_pair(struct relay_pair *pair, bool reset)
{
    relay_close_one(&pair->session, reset);
    relay_close_one(&pair->server, reset);
}

static int relay_connect(const struct relay *relay)
{
    int descriptor = socket(relay->address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor >= 0 &&
        connect(descriptor, relay->address->ai_addr, relay->address->ai_addrlen) != 0)
        relay_close_one(&descriptor, false);
    return descriptor;
}

static void relay_accept(struct relay *relay)
{
    struct relay_pair pair = {accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC), -1};
    int mode = atomic_load(&relay->mode);

    if (pair.session < 0)
        return;
    if (mode == RELAY_CLOSE || mode == RELAY_RESET || relay->count == CONNECTIONS_MAX) {
        relay_close_pair(&pair, mode == RELAY_RESET);
        return;
    }
    if (mode == RELAY_GARBAGE)
        send(pair.session, "\x7f\x13 no protocol at all \xff\xfe\r\n\r\n", 26, MSG_NOSIGNAL);
    else if (mode == RELAY_PASS || mode == RELAY_STALL)
        pair.server = relay_connect(relay);
    if (mode != RELAY_GARBAGE && mode != RELAY_SILENT && pair.server < 0)
        relay_close_pair(&pair, true);
    else
        relay->pairs[relay->count++] = pair;
}

static bool relay_send_all(int to, const char *bytes, size_t size)
{
    while (size) {
        ssize_t sent = send(to, bytes, size, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Pass on what can be read. False when the pair has ended. */
static bool relay_pass(int from, int to)
{
    static char bytes[BYTES];
    ssize_t size = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    return size > 0 && relay_send_all(to, bytes, (size_t)size);
}

static void relay_obey(struct relay *relay)
{
    int order = atomic_exchange(&relay->order, RELAY_NOTHING);

    if (order == RELAY_NOTHING)
        return;
    for (size_t i = 0; i < relay->count; i++) {
        if (order == RELAY_HALF_CLOSE && relay->pairs[i].session >= 0)
            shutdown(relay->pairs[i].session, SHUT_WR);
        else
            relay_close_pair(&relay->pairs[i], order == RELAY_CUT_RESET);
    }
    atomic_fetch_add(&relay->done, 1);
}

static void relay_drop_closed(struct relay *relay)
{
    size_t kept = 0;

    for (size_t i = 0; i < relay->count; i++)
        if (relay->pairs[i].session >= 0)
            relay->pairs[kept++] = relay->pairs[i];
    relay->count = kept;
}

/* One turn: wait, accept, and pass on. */
static void relay_turn(struct relay *relay, struct pollfd *polled)
{
    int mode = atomic_load(&relay->mode);
    size_t count = relay->count;
    eventfd_t woken;

    polled[0] = (struct pollfd){.fd = relay->wake, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = relay->listener, .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        const struct relay_pair *pair = &relay->pairs[i];

        polled[2 + 2 * i] = (struct pollfd){
            .fd = mode == RELAY_PASS && pair->server >= 0 ? pair->session : -1, .events = POLLIN};
        polled[3 + 2 * i] = (struct pollfd){
            .fd = mode == RELAY_PASS || mode == RELAY_STALL ? pair->server : -1, .events = POLLIN};
    }
    poll(polled, 2 + 2 * count, 1000);
    if (polled[0].revents)
        eventfd_read(relay->wake, &woken);
    for (size_t i = 0; i < count; i++) {
        struct relay_pair *pair = &relay->pairs[i];
        bool good = (!polled[2 + 2 * i].revents || relay_pass(pair->session, pair->server)) &&
                    (!polled[3 + 2 * i].revents || relay_pass(pair->server, pair->session));

        if (!good)
            relay_close_pair(pair, false);
    }
    if (polled[1].revents)
        relay_accept(relay);
    relay_obey(relay);
    relay_drop_closed(relay);
}

static void *relay_main(void *argument)
{
    struct relay *relay = argument;
    struct pollfd *polled = calloc(2 + 2 * CONNECTIONS_MAX, sizeof(*polled));

    while (polled && !atomic_load(&relay->stopped))
        relay_turn(relay, polled);
    free(polled);
    return NULL;
}

/* ------------------------------------------------------------------ the test's side */

static bool relay_listen(struct relay *relay)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (relay->listener < 0 ||
        bind(relay->listener, (const struct sockaddr *)&address, size) != 0 ||
        listen(relay->listener, 512) != 0 ||
        getsockname(relay->listener, (struct sockaddr *)&address, &size) != 0)
        return false;
    relay->port = ntohs(address.sin_port);
    return true;
}

struct relay *relay_start(const char *host, uint16_t port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct relay *relay = calloc(1, sizeof(*relay));
    char text[8];

    if (!relay)
        return NULL;
    snprintf(text, sizeof(text), "%u", port);
    relay->listener = -1;
    relay->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (relay->wake >= 0 && getaddrinfo(host, text, &hints, &relay->address) == 0 &&
        relay_listen(relay) && pthread_create(&relay->thread, NULL, relay_main, relay) == 0)
        return relay;
    relay_close_one(&relay->listener, false);
    relay_close_one(&relay->wake, false);
    free(relay);
    return NULL;
}

static void relay_wake(const struct relay *relay)
{
    eventfd_write(relay->wake, 1);
}

void relay_stop(struct relay *relay)
{
    atomic_store(&relay->stopped, true);
    relay_wake(relay);
    pthread_join(relay->thread, NULL);
    for (size_t i = 0; i < relay->count; i++)
        relay_close_pair(&relay->pairs[i], true);
    relay_close_one(&relay->listener, false);
    relay_close_one(&relay->wake, false);
    freeaddrinfo(relay->address);
    free(relay);
}

uint16_t relay_port(const struct relay *relay)
{
    return relay->port;
}

void relay_set_mode(struct relay *relay, enum relay_mode mode)
{
    atomic_store(&relay->mode, mode);
    relay_wake(relay);
}

static void relay_order(struct relay *relay, enum relay_order order)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    atomic_store(&relay->order, order);
    relay->asked++;
    relay_wake(relay);
    while (atomic_load(&relay->done) != relay->asked)
        nanosleep(&pause, NULL);
}

void relay_cut(struct relay *relay, bool reset)
{
    relay_order(relay, reset ? RELAY_CUT_RESET : RELAY_CUT);
}

void relay_half_close(struct relay *relay)
{
    relay_order(relay, RELAY_HALF_CLOSE);
}
