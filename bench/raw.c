/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A minimal MQTT client as a yardstick for iotifyd: prepared packets, one thread.
 *
 *     bench-raw publish PORT SESSIONS RATE SECONDS [generate]
 *     bench-raw connect PORT SESSIONS CONCURRENCY generate
 *
 * `publish` sends RATE messages of QoS 1 per second, the k-th by session k % SESSIONS at k / RATE;
 * with rate 0 every session sends its next message when the last one is acknowledged. `connect`
 * measures the cost of opening a session. `generate` makes a key and a certificate for every
 * session, which then uses TLS with a server at localhost whose CA is in the file that BENCH_CA
 * names. Memory is what sessions use in addition to their decoded keys and certificates.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    BURST = 256, /* messages sent before it reads again */
    CONCURRENCY = 64,
    PAYLOAD = 100,
    PACKET_MAX = 160,
    PATIENCE_MS = 30000,
    LAST_S = 5,
};

struct session {
    SSL *tls;
    X509 *certificate;
    EVP_PKEY *key;
    BIO *certificate_text, *key_text; /* as PEM */
    int socket;
    enum { CONNECTING, SHAKING, ENTERING, OPEN } state;
    uint16_t id;
    uint8_t size; /* of its message */
    uint8_t part; /* bytes of an incomplete answer */
};

static struct session *sessions;
static uint8_t (*messages)[PACKET_MAX]; /* one per session, at the end of its slot */
static size_t count;
static int epoll;
static uint16_t port;
static SSL_CTX *context;
static bool at_once; /* send the next message after each answer */
static unsigned long opened, published, acknowledged;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench-raw: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static double seconds_of(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

static double cpu_us(void)
{
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID) * 1e6;
}

static double rss_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages;

    if (!file || fscanf(file, "%*u %lu", &pages) != 1)
        fail("cannot see its own memory");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* Everything fits into a socket's buffer, unless the server is too slow. */
static void put(struct session *session, const uint8_t *data, size_t size)
{
    ssize_t sent = session->tls ? SSL_write(session->tls, data, (int)size)
                                : send(session->socket, data, size, MSG_NOSIGNAL);

    if (sent != (ssize_t)size)
        fail("a session cannot send: the server does not read, or has ended");
}

/* The number of bytes received; 0: none are available. */
static size_t take(struct session *session, uint8_t *data, size_t size)
{
    ssize_t got = session->tls ? SSL_read(session->tls, data, (int)size)
                               : recv(session->socket, data, size, 0);

    if (got > 0)
        return (size_t)got;
    if (session->tls ? SSL_get_error(session->tls, (int)got) != SSL_ERROR_WANT_READ
                     : got == 0 || (errno != EAGAIN && errno != EINTR))
        fail("a session was ended");
    return 0;
}

static void enter(struct session *session)
{
    uint8_t packet[64] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 600 >> 8, 600 & 255, 0};
    int size = snprintf((char *)packet + 14, 40, "raw-%zu", (size_t)(session - sessions));

    packet[1] = (uint8_t)(12 + size);
    packet[13] = (uint8_t)size;
    put(session, packet, 14 + (size_t)size);
    session->state = ENTERING;
}

static void shake(struct session *session)
{
    int result;

    if (!session->tls) {
        enter(session);
        return;
    }
    session->state = SHAKING;
    result = SSL_do_handshake(session->tls);
    if (result == 1)
        enter(session);
    else if (SSL_get_error(session->tls, result) != SSL_ERROR_WANT_READ)
        fail("a TLS handshake failed");
}

static void watch(struct session *session, int how, uint32_t what)
{
    struct epoll_event event = {.events = what, .data.ptr = session};

    epoll_ctl(epoll, how, session->socket, &event);
}

static void start(struct session *session)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int yes = 1;
    int result;

    session->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(session->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    result = connect(session->socket, (const struct sockaddr *)&address, sizeof(address));
    if (result != 0 && errno != EINPROGRESS)
        fail(strerror(errno));
    if (context) {
        session->tls = SSL_new(context);
        if (!session->tls || SSL_set_fd(session->tls, session->socket) != 1 ||
            SSL_set_tlsext_host_name(session->tls, "localhost") != 1 ||
            SSL_set1_host(session->tls, "localhost") != 1 ||
            SSL_use_certificate(session->tls, session->certificate) != 1 ||
            SSL_use_PrivateKey(session->tls, session->key) != 1)
            fail("a TLS session cannot be made");
        SSL_set_connect_state(session->tls);
    }
    watch(session, EPOLL_CTL_ADD, result == 0 ? EPOLLIN : EPOLLOUT);
    if (result == 0)
        shake(session);
}

static void send_message(struct session *session)
{
    uint8_t *end = messages[session - sessions] + PACKET_MAX;

    session->id = (uint16_t)(session->id % 65535 + 1);
    end[-PAYLOAD - 2] = (uint8_t)(session->id >> 8);
    end[-PAYLOAD - 1] = (uint8_t)session->id;
    put(session, end - session->size, session->size);
    published++;
}

/* The number of complete answers received; CONNACK and PUBACK have four bytes. */
static size_t answers(struct session *session)
{
    uint8_t data[4096];
    size_t whole = 0;

    do {
        size_t size = take(session, data, sizeof(data));

        if (size == 0)
            break;
        for (size_t i = (4u - session->part) % 4; i < size; i += 4)
            if (data[i] != (session->state == OPEN ? 0x40 : 0x20))
                fail("an answer is not the one expected");
        if (session->state == ENTERING && session->part + size == 4 && data[size - 1] != 0)
            fail("a session was refused");
        whole += (session->part + size) / 4;
        session->part = (uint8_t)((session->part + size) % 4);
    } while (session->tls && SSL_has_pending(session->tls));
    return whole;
}

static void advance(struct session *session)
{
    size_t whole;

    switch (session->state) {
    case CONNECTING:
        watch(session, EPOLL_CTL_MOD, EPOLLIN);
        shake(session);
        break;
    case SHAKING:
        shake(session);
        break;
    case ENTERING:
        if (answers(session)) {
            session->state = OPEN;
            /* A ticket makes OpenSSL 3.0 allocate a write buffer that RELEASE_BUFFERS keeps. */
            if (session->tls)
                SSL_free_buffers(session->tls);
            opened++;
        }
        break;
    case OPEN:
        whole = answers(session);
        acknowledged += whole;
        if (at_once && whole)
            send_message(session);
        break;
    }
}

/* Wait for events and handle them; false when there are none in time. */
static bool turn(int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(epoll, events, EVENTS, timeout_ms);

    for (int i = 0; i < ready; i++)
        advance(events[i].data.ptr);
    return ready > 0;
}

static void open_all(size_t concurrency)
{
    size_t started = 0;

    while (opened < count) {
        while (started < count && started - opened < concurrency)
            start(&sessions[started++]);
        if (!turn(PATIENCE_MS))
            fail("the server lets nobody in");
    }
}

static void send_evenly(double rate, double seconds)
{
    unsigned long total = (unsigned long)(rate * seconds);
    double begun = now();

    while (published < total) {
        double passed = (now() - begun) * rate;
        unsigned long due = passed < (double)total ? (unsigned long)passed + 1 : total;
        bool behind = due > published + BURST;

        due = behind ? published + BURST : due;
        while (published < due)
            send_message(&sessions[published % count]);
        turn(behind ? 0 : 1);
    }
}

static void send_at_once(double seconds)
{
    double end = now() + seconds;

    at_once = true;
    for (size_t i = 0; i < count; i++)
        send_message(&sessions[i]);
    while (now() < end)
        turn(1);
    at_once = false;
}

static void publish(double rate, double seconds, double rss)
{
    double cpu, begun, end;

    rss = (rss_kib() - rss) / (double)count;
    begun = now();
    cpu = cpu_us();
    if (rate > 0)
        send_evenly(rate, seconds);
    else
        send_at_once(seconds);
    cpu = cpu_us() - cpu;
    begun = now() - begun;
    end = now() + LAST_S;
    while (acknowledged < published && now() < end)
        turn(100);
    printf("{\"published\": %lu, \"acknowledged\": %lu, \"seconds\": %.3f, "
           "\"cpu_us_per_message\": %.3f, \"rss_kib_per_session\": %.2f}\n",
        published, acknowledged, begun, cpu / (double)(published ? published : 1), rss);
}

static void make_message(struct session *session, size_t number, uint8_t *end)
{
    char topic[60];
    int length = snprintf(topic, sizeof(topic), "iotify/iotify_%zu/telemetry", number);
    int remaining = 2 + length + 2 + PAYLOAD; /* between 128 and 255 */
    const uint8_t head[] = {
        0x32, (uint8_t)(remaining % 128 | 0x80), (uint8_t)(remaining / 128), 0, (uint8_t)length};

    session->size = (uint8_t)(3 + remaining);
    memcpy(end - session->size, head, sizeof(head));
    memcpy(end - session->size + sizeof(head), topic, (size_t)length);
    memset(end - PAYLOAD, 'x', PAYLOAD);
}

/* Create the session's own key and certificate. */
static void generate(struct session *session, size_t number)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *made = X509_new();
    X509_NAME *name = X509_get_subject_name(made);
    char common[40];

    session->certificate_text = BIO_new(BIO_s_mem());
    session->key_text = BIO_new(BIO_s_mem());
    snprintf(common, sizeof(common), "raw-%zu", number);
    if (!key || X509_set_version(made, X509_VERSION_3) != 1 ||
        ASN1_INTEGER_set(X509_get_serialNumber(made), (long)number + 1) != 1 ||
        !X509_gmtime_adj(X509_getm_notBefore(made), -3600) ||
        !X509_gmtime_adj(X509_getm_notAfter(made), 86400) ||
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)common, -1, -1, 0) !=
            1 ||
        X509_set_issuer_name(made, name) != 1 || X509_set_pubkey(made, key) != 1 ||
        X509_sign(made, key, EVP_sha256()) == 0 ||
        PEM_write_bio_X509(session->certificate_text, made) != 1 ||
        PEM_write_bio_PrivateKey(session->key_text, key, NULL, NULL, 0, NULL, NULL) != 1)
        fail("a certificate cannot be made");
    X509_free(made);
    EVP_PKEY_free(key);
}

static void decode(struct session *session)
{
    session->certificate = PEM_read_bio_X509(session->certificate_text, NULL, NULL, NULL);
    session->key = PEM_read_bio_PrivateKey(session->key_text, NULL, NULL, NULL);
    if (!session->certificate || !session->key)
        fail("a certificate cannot be read");
}

static void make_context(void)
{
    const char *ca = getenv("BENCH_CA");

    context = SSL_CTX_new(TLS_client_method());
    if (!context || !ca || SSL_CTX_load_verify_locations(context, ca, NULL) != 1)
        fail("BENCH_CA has to name the file of an authority");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
}

/*
 * Returns the CPU time of decoding all keys and certificates. The PEM texts are not freed: sessions
 * would reuse their memory and seem to need less.
 */
static double make_identities(void)
{
    double cpu;

    make_context();
    for (size_t i = 0; i < count; i++)
        generate(&sessions[i], i);
    cpu = cpu_us();
    for (size_t i = 0; i < count; i++)
        decode(&sessions[i]);
    return cpu_us() - cpu;
}

/* Allocate what is not part of a session's memory before the first session. */
static void prepare(size_t sessions_)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    signal(SIGPIPE, SIG_IGN);
    count = sessions_;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    sessions = calloc(count, sizeof(*sessions));
    messages = calloc(count, sizeof(*messages));
    if (!sessions || !messages)
        abort();
    for (size_t i = 0; i < count; i++)
        make_message(&sessions[i], i, messages[i] + PACKET_MAX);
}

int main(int arguments_count, char **arguments)
{
    bool tls = arguments_count > 1 && strcmp(arguments[arguments_count - 1], "generate") == 0;
    bool connects = arguments_count == 6 && tls && strcmp(arguments[1], "connect") == 0;
    bool publishes = arguments_count == 6 + tls && strcmp(arguments[1], "publish") == 0;
    double rss, cpu, decoded = 0;

    if ((!connects && !publishes) || strtoul(arguments[3], NULL, 10) == 0)
        fail("takes publish PORT SESSIONS RATE SECONDS [generate], or "
             "connect PORT SESSIONS CONCURRENCY generate");
    port = (uint16_t)atoi(arguments[2]);
    prepare(strtoul(arguments[3], NULL, 10));
    if (tls)
        decoded = make_identities();
    rss = rss_kib();
    cpu = cpu_us();
    open_all(connects ? strtoul(arguments[4], NULL, 10) : CONCURRENCY);
    cpu = cpu_us() - cpu;
    if (publishes)
        publish(strtod(arguments[4], NULL), strtod(arguments[5], NULL), rss);
    else
        printf("{\"cpu_us_per_connect\": %.1f, \"rss_kib_per_session\": %.2f, "
               "\"cpu_us_per_decode\": %.1f}\n",
            cpu / (double)count, (rss_kib() - rss) / (double)count, decoded / (double)count);
    return 0;
}
