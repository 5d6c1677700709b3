/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures how many QoS 1 messages per second a broker acknowledges over mutual TLS:
 *
 *     bench-mqtt PORT CA CERTIFICATE KEY SESSIONS SECONDS
 *
 * Every session sends at most 95 messages per second, below AWS's limit of 100, and has at most 8
 * unacknowledged ones. Prints the rate.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define RATE 95
#define WINDOW 8
#define PAYLOAD 64
#define EVENTS 256

struct session {
    SSL *tls;
    int socket;
    char topic[40];
    unsigned in_flight;
    uint16_t id;
    double tokens, filled;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench-mqtt: %s\n", what);
    exit(1);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void open_session(struct session *session, SSL_CTX *context, uint16_t port, size_t number)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    uint8_t packet[64] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 240, 0};
    char id[40];
    const int yes = 1;
    int size = snprintf(id, sizeof(id), "bench-%zu", number);

    snprintf(session->topic, sizeof(session->topic), "bench/%zu", number);
    session->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    session->tls = SSL_new(context);
    packet[1] = (uint8_t)(12 + size);
    packet[13] = (uint8_t)size;
    memcpy(packet + 14, id, (size_t)size);
    if (connect(session->socket, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(session->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0 ||
        SSL_set_fd(session->tls, session->socket) != 1 ||
        SSL_set_tlsext_host_name(session->tls, "localhost") != 1 ||
        SSL_connect(session->tls) != 1 || SSL_write(session->tls, packet, 14 + size) != 14 + size ||
        SSL_read(session->tls, packet, sizeof(packet)) != 4 || packet[0] != 0x20 || packet[3] != 0)
        fail("a session was refused");
    fcntl(session->socket, F_SETFL, O_NONBLOCK);
    session->filled = now();
}

/* Send what the rate and the window allow now, in one write. */
static void fill(struct session *session, double time)
{
    uint8_t packets[WINDOW * (PAYLOAD + 40)];
    size_t size = 0, topic = strlen(session->topic);

    session->tokens += (time - session->filled) * RATE;
    session->tokens = session->tokens < WINDOW ? session->tokens : WINDOW;
    session->filled = time;
    while (session->tokens >= 1 && session->in_flight < WINDOW) {
        uint8_t *at = packets + size;

        session->id = (uint16_t)(session->id % 65535 + 1);
        at[0] = 0x32;
        at[1] = (uint8_t)(2 + topic + 2 + PAYLOAD);
        at[2] = 0;
        at[3] = (uint8_t)topic;
        memcpy(at + 4, session->topic, topic);
        at[4 + topic] = (uint8_t)(session->id >> 8);
        at[5 + topic] = (uint8_t)session->id;
        memset(at + 6 + topic, 'x', PAYLOAD);
        size += 6 + topic + PAYLOAD;
        session->tokens -= 1;
        session->in_flight++;
    }
    if (size && SSL_write(session->tls, packets, (int)size) != (int)size)
        fail("a session cannot send");
}

/* The number of messages acknowledged since the last call. */
static unsigned drain(struct session *session)
{
    static uint8_t data[4096];
    unsigned acknowledged = 0;
    int got;

    while ((got = SSL_read(session->tls, data, sizeof(data))) > 0)
        acknowledged += (unsigned)got / 4;
    if (SSL_get_error(session->tls, got) != SSL_ERROR_WANT_READ)
        fail("a session was ended");
    session->in_flight -= acknowledged;
    return acknowledged;
}

int main(int count, char **arguments)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    size_t sessions = count == 7 ? strtoul(arguments[5], NULL, 10) : 0;
    double seconds = count == 7 ? strtod(arguments[6], NULL) : 0, begun, time;
    struct session *all = calloc(sessions ? sessions : 1, sizeof(*all));
    struct rlimit limit;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    unsigned long acknowledged = 0;
    size_t next = 0;

    if (count != 7 || !all || sessions == 0 ||
        SSL_CTX_load_verify_locations(context, arguments[2], NULL) != 1 ||
        SSL_CTX_use_certificate_chain_file(context, arguments[3]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, arguments[4], SSL_FILETYPE_PEM) != 1)
        fail("takes PORT CA CERTIFICATE KEY SESSIONS SECONDS");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (size_t i = 0; i < sessions; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &all[i]}};

        open_session(&all[i], context, (uint16_t)atoi(arguments[1]), i);
        epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].socket, &event);
    }
    begun = now();
    while ((time = now()) < begun + seconds) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, 1);

        for (int i = 0; i < ready; i++) {
            acknowledged += drain(events[i].data.ptr);
            fill(events[i].data.ptr, time);
        }
        /* Sessions that receive nothing send in turn. */
        for (size_t i = 0; i < sessions / 50 + 1; i++)
            fill(&all[next++ % sessions], time);
    }
    printf("%.0f\n", (double)acknowledged / (now() - begun));
    free(all);
    return 0;
}
