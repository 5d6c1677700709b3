/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures how many signed calls per second the control plane answers over persistent connections,
 * and how long a burst of new keys takes. Runs under iotify-sandbox, which sets the environment.
 * Requests are signed before the clock starts, so that only the server is measured.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "plugins/shared/aws/sigv4.h"

#define CONNECTIONS_MAX 64
#define ANSWER_MAX 65536

struct connection {
    int socket;
    char answer[ANSWER_MAX];
    size_t size;
    bool waiting;
};

static struct connection connections[CONNECTIONS_MAX];
static struct sockaddr_in address = {.sin_family = AF_INET};
static char host[32];

static void fail(const char *what)
{
    fprintf(stderr, "bench-control: %s\n", what);
    exit(1);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A request, signed now; the caller frees it. */
static char *make_request(const char *method, const char *path, const char *body)
{
    char timestamp[20], signature[SIGV4_SIGNATURE_SIZE], *text = NULL;
    const struct sigv4_header headers[] = {{"host", host}, {"x-amz-date", timestamp}};
    const struct sigv4_request request = {
        method, path, "", headers, 2, body, strlen(body), timestamp, "eu-central-1", "iot"};
    struct iotify_buffer names;
    time_t seconds = time(NULL);
    struct tm parts;

    strftime(timestamp, sizeof(timestamp), "%Y%m%dT%H%M%SZ", gmtime_r(&seconds, &parts));
    iotify_buffer_init(&names, 1000);
    if (!sigv4_sign(&request, getenv("AWS_SECRET_ACCESS_KEY"), signature, &names) ||
        asprintf(&text,
            "%s %s HTTP/1.1\r\nHost: %s\r\nX-Amz-Date: %s\r\nContent-Length: %zu\r\n"
            "Authorization: AWS4-HMAC-SHA256 "
            "Credential=%s/%.8s/eu-central-1/iot/aws4_request, "
            "SignedHeaders=%s, Signature=%s\r\n\r\n%s",
            method, path, host, timestamp, strlen(body), getenv("AWS_ACCESS_KEY_ID"), timestamp,
            iotify_buffer_text(&names), signature, body) < 0)
        fail("cannot sign");
    iotify_buffer_clear(&names);
    return text;
}

static void send_request(struct connection *connection, const char *request)
{
    size_t size = strlen(request);

    if (write(connection->socket, request, size) != (ssize_t)size)
        fail("cannot send a request");
    connection->waiting = true;
    connection->size = 0;
}

/* True when the answer is complete. */
static bool receive(struct connection *connection)
{
    ssize_t got = read(connection->socket, connection->answer + connection->size,
        ANSWER_MAX - 1 - connection->size);
    const char *length, *body;

    if (got <= 0)
        fail("a connection was closed");
    connection->size += (size_t)got;
    connection->answer[connection->size] = '\0';
    body = strstr(connection->answer, "\r\n\r\n");
    length = strcasestr(connection->answer, "content-length:");
    if (!body || !length ||
        connection->size < (size_t)(body + 4 - connection->answer) + strtoul(length + 15, NULL, 10))
        return false;
    if (strncmp(connection->answer, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "%s\n", connection->answer);
        fail("a call was refused");
    }
    connection->waiting = false;
    return true;
}

/* Send all requests over `width` connections, one at a time on each. Returns the seconds. */
static double run(char **requests, size_t count, size_t width)
{
    struct pollfd polls[CONNECTIONS_MAX];
    size_t sent = 0, done = 0;
    double begun = now();

    for (size_t i = 0; i < width; i++) {
        polls[i] = (struct pollfd){.fd = connections[i].socket, .events = POLLIN};
        if (sent < count)
            send_request(&connections[i], requests[sent++]);
    }
    while (done < count) {
        if (poll(polls, width, 30000) <= 0)
            fail("no answer");
        for (size_t i = 0; i < width; i++) {
            if (!(polls[i].revents & POLLIN) || !connections[i].waiting ||
                !receive(&connections[i]))
                continue;
            done++;
            if (sent < count)
                send_request(&connections[i], requests[sent++]);
        }
    }
    return now() - begun;
}

static void open_connections(void)
{
    const int yes = 1;

    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        connections[i].socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(connections[i].socket, (struct sockaddr *)&address, sizeof(address)) != 0)
            fail("cannot connect");
        setsockopt(connections[i].socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    }
}

/* One kind of call; its path may contain a number. */
struct call {
    const char *name, *method, *before, *after, *body;
    bool numbered;
};

static double rate(const struct call *call, size_t count)
{
    char **requests = calloc(count, sizeof(*requests)), full[256];
    double seconds;

    for (size_t i = 0; i < count; i++) {
        snprintf(full, sizeof(full), "%s%zu%s", call->before, i, call->after);
        requests[i] = make_request(call->method, call->numbered ? full : call->before, call->body);
    }
    seconds = run(requests, count, 16);
    for (size_t i = 0; i < count; i++)
        free(requests[i]);
    free(requests);
    return (double)count / seconds;
}

/* Wait until the sandbox's pool of keys is full again. */
static void wait_for_keys(void)
{
    char *request = NULL;
    int ready = 0;

    if (asprintf(&request, "GET /_sandbox HTTP/1.1\r\nHost: %s\r\n\r\n", host) < 0)
        fail("no memory");
    for (int tries = 0; ready < 64 && tries < 600; tries++) {
        const char *told;

        run(&request, 1, 1);
        told = strstr(connections[0].answer, "\"keys_ready\":");
        ready = told ? atoi(told + 13) : 0;
        if (ready < 64)
            usleep(200000);
    }
    free(request);
}

static void burst(void)
{
    char *requests[64];
    double seconds;

    wait_for_keys();
    for (size_t i = 0; i < 64; i++)
        requests[i] = make_request("POST", "/keys-and-certificate", "");
    seconds = run(requests, 64, 64);
    printf("64 CreateKeysAndCertificate at once    %6.0f ms\n", seconds * 1000);
    for (size_t i = 0; i < 64; i++)
        free(requests[i]);
}

static void baseline(size_t count)
{
    char **requests = calloc(count, sizeof(*requests));
    double seconds;

    for (size_t i = 0; i < count; i++)
        if (asprintf(&requests[i], "GET /_sandbox HTTP/1.1\r\nHost: %s\r\n\r\n", host) < 0)
            fail("no memory");
    seconds = run(requests, count, 16);
    printf("answers without signature and state    %6.0f per second\n", (double)count / seconds);
    for (size_t i = 0; i < count; i++)
        free(requests[i]);
    free(requests);
}

int main(void)
{
    static const struct call calls[] = {
        {"CreateThing", "POST", "/things/bench-", "",
            "{\"attributePayload\":{\"attributes\":{\"a\":\"b\"}}}", true},
        {"DescribeThing", "GET", "/things/bench-", "", "", true},
        {"AddThingToThingGroup", "PUT", "/thing-groups/addThingToThingGroup", "",
            "{\"thingGroupName\":\"bench\",\"thingName\":\"bench-1\"}", false},
        {"ListThingGroupsForThing", "GET", "/things/bench-", "/thing-groups", "", true},
        {"DeleteThing", "DELETE", "/things/bench-", "", "", true}};
    const char *port = getenv("IOTIFY_SANDBOX_API_PORT");
    const size_t count = 10000;
    char *group;

    if (!port || !getenv("AWS_ACCESS_KEY_ID"))
        fail("run it as: iotify-sandbox -- bench-control");
    snprintf(host, sizeof(host), "127.0.0.1:%s", port);
    address.sin_port = htons((uint16_t)atoi(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    open_connections();
    burst();
    baseline(count);
    group = make_request("POST", "/thing-groups/bench", "{}");
    run(&group, 1, 1);
    free(group);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        printf("%-38s %6.0f per second\n", calls[i].name, rate(&calls[i], count));
    return 0;
}
