/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The yardstick for the transport https: requests by libcurl's multi interface on epoll, and
 * nothing else.
 *
 *     bench-requests URL CONNECTIONS RATE SECONDS [KEY CERT CA]
 *
 * Sends RATE requests per second over CONNECTIONS connections, each on its own, and prints CPU time
 * per request and memory per connection as JSON.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

enum { EVENTS = 256 };

struct connection {
    CURL *easy;
    CURLSH *share;
    int active;
};

static CURLM *multi;
static int epoll;
static double timer_at = -1; /* of libcurl, in seconds; < 0: none */
static unsigned long answered, failed;
static const char payload[] =
    "{\"client\":123,\"n\":45,\"temperature\":21.5,\"text\":\"012345678901234567890123456789\"}";

static double seconds_of(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static long resident(void)
{
    char line[200];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *argument, void *known)
{
    struct epoll_event event = {
        .events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
        .data.fd = socket};

    (void)easy, (void)argument;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, socket, NULL);
        return 0;
    }
    epoll_ctl(epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
    curl_multi_assign(multi, socket, &epoll);
    return 0;
}

static int on_timer(CURLM *given, long milliseconds, void *argument)
{
    (void)given, (void)argument;
    timer_at = milliseconds < 0 ? -1 : seconds_of(CLOCK_MONOTONIC) + (double)milliseconds / 1e3;
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *argument)
{
    (void)data, (void)argument;
    return size * count;
}

static void take_results(void)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(multi, &left))) {
        struct connection *connection;
        long status = 0;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&connection);
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        answered++;
        failed += message->data.result != CURLE_OK || status != 200;
        curl_multi_remove_handle(multi, connection->easy);
        connection->active = 0;
    }
}

static void turn(double until)
{
    struct epoll_event events[EVENTS];
    double now = seconds_of(CLOCK_MONOTONIC), wait = until - now;
    struct timespec limit = {0, 0};
    int running, count;

    if (timer_at >= 0 && timer_at - now < wait)
        wait = timer_at - now;
    if (wait > 0) {
        limit.tv_sec = (time_t)wait;
        limit.tv_nsec = (long)((wait - (double)limit.tv_sec) * 1e9);
    }
    count = epoll_pwait2(epoll, events, EVENTS, &limit, NULL);
    for (int i = 0; i < count; i++)
        curl_multi_socket_action(multi, events[i].data.fd,
            (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0),
            &running);
    if (timer_at >= 0 && timer_at <= seconds_of(CLOCK_MONOTONIC)) {
        timer_at = -1;
        curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    take_results();
}

static char *read_file(const char *name)
{
    FILE *file = fopen(name, "r");
    char *text = calloc(1, 65536);

    if (!file || !text || fread(text, 1, 65535, file) == 0)
        exit(1);
    fclose(file);
    return text;
}

static void prepare(struct connection *connection, char **arguments, int count)
{
    CURL *easy = connection->easy = curl_easy_init();

    connection->share = curl_share_init();
    curl_share_setopt(connection->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT);
    curl_easy_setopt(easy, CURLOPT_SHARE, connection->share);
    curl_easy_setopt(easy, CURLOPT_URL, arguments[1]);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, connection);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, payload);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 4096L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    if (count > 7) {
        struct curl_blob key = {.data = read_file(arguments[5]), .flags = CURL_BLOB_COPY};
        struct curl_blob certificate = {.data = read_file(arguments[6]), .flags = CURL_BLOB_COPY};

        key.len = strlen(key.data);
        certificate.len = strlen(certificate.data);
        curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
        curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &certificate);
        curl_easy_setopt(easy, CURLOPT_CAINFO, arguments[7]);
        free(key.data);
        free(certificate.data);
    }
}

int main(int count, char **arguments)
{
    size_t connections = count > 4 ? strtoul(arguments[2], NULL, 10) : 0, next = 0;
    double rate = count > 4 ? strtod(arguments[3], NULL) : 0, began, ends, cpu;
    struct connection *all;
    unsigned long sent = 0, before;
    long memory;

    if (connections == 0 || rate <= 0) {
        fprintf(stderr, "usage: bench-requests URL CONNECTIONS RATE SECONDS [KEY CERT CA]\n");
        return 2;
    }
    all = calloc(connections, sizeof(*all));
    if (!all) {
        fprintf(stderr, "bench-requests: no memory for %zu connections\n", connections);
        return 1;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = curl_multi_init();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1000000L);
    memory = resident();
    for (size_t i = 0; i < connections; i++)
        prepare(&all[i], arguments, count);
    /* Connect all, which is not measured. */
    for (size_t i = 0; i < connections; i++) {
        all[i].active = 1;
        curl_multi_add_handle(multi, all[i].easy);
        while (answered + 20 < i)
            turn(seconds_of(CLOCK_MONOTONIC) + 0.1);
    }
    while (answered < connections)
        turn(seconds_of(CLOCK_MONOTONIC) + 0.1);
    memory = resident() - memory;
    before = answered;
    began = seconds_of(CLOCK_MONOTONIC);
    ends = began + strtod(arguments[4], NULL);
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (;;) {
        double now = seconds_of(CLOCK_MONOTONIC);

        if (now >= ends)
            break;
        while ((double)sent < (now - began) * rate && !all[next].active) {
            all[next].active = 1;
            curl_multi_add_handle(multi, all[next].easy);
            next = (next + 1) % connections;
            sent++;
        }
        turn(began + (double)sent / rate);
    }
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"cpu_us_per_request\": %.3f, \"requests\": %lu, \"failed\": %lu, "
           "\"kib_per_connection\": %.2f}\n",
        cpu * 1e6 / (double)(answered - before), answered - before, failed,
        (double)memory / (double)connections);
    return failed > 0;
}
