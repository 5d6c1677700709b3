/*
 * The MQTT transport on the host's loop: against a real mosquitto, and against servers that
 * misbehave. Each trap of libmosquitto that the plugin works around has its test here.
 */
#include "check.h"

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

#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/plugin/call.h"
#include "core/plugin/registry.h"
#include "core/settings/schema.h"
#include "sandbox/ca.h"

extern char **environ;

static struct registry registry;
static const struct plugin *plugin;
static struct arena arena;
static char folder[] = "/tmp/iotify-mqtt-XXXXXX";
static struct authority *authority;
static pid_t broker;
static int broker_port;

/* One session and what happened to it. */
static struct {
    struct loop loop;
    void *instance, *engine, *session;
    struct iotify_timer *limit;
    int connected, closed, acknowledged, messages, lost;
    enum iotify_close reason;
    char text[300], topic[100], payload[100];
    uint64_t tokens;
    int wanted_acknowledged, wanted_messages;
    int publish_when_connected;
    struct iotify_connect_times times;
    const void *publish;
} world;

/* ------------------------------------------------------------------ a server of one connection */

enum behaviour { CLOSES, IS_SILENT, SENDS_GARBAGE, SPEAKS_TLS };

static struct {
    enum behaviour behaviour;
    int listener, port;
    pthread_t thread;
    char sni[100], alpn[100];
    int client;
    const char *trust; /* NULL: the authority's certificate */
} server;

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *size,
    const unsigned char *offered, unsigned length, void *argument)
{
    (void)ssl;
    (void)argument;
    snprintf(server.alpn, sizeof(server.alpn), "%.*s", (int)length - 1, (const char *)offered + 1);
    *out = offered + 1;
    *size = offered[0];
    return SSL_TLSEXT_ERR_OK;
}

/* A handshake, then CONNACK for whatever comes first. */
static void speak_tls(void)
{
    static const unsigned char connack[] = {0x20, 2, 0, 0};
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL *ssl = SSL_new(context);
    char bytes[1000];

    SSL_free(ssl);
    authority_use(authority, context);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    ssl = SSL_new(context);
    SSL_set_fd(ssl, server.client);
    if (SSL_accept(ssl) == 1) {
        const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

        snprintf(server.sni, sizeof(server.sni), "%s", name ? name : "");
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
    server.client = accept(server.listener, NULL, NULL);
    if (server.client < 0)
        return NULL;
    if (server.behaviour == SPEAKS_TLS)
        speak_tls();
    if (server.behaviour == SENDS_GARBAGE &&
        write(server.client, "HTTP/1.1 400 Bad Request\r\n\r\n", 28) == 28)
        while (read(server.client, bytes, sizeof(bytes)) > 0)
            continue;
    if (server.behaviour == IS_SILENT)
        while (read(server.client, bytes, sizeof(bytes)) > 0)
            continue;
    close(server.client);
    return NULL;
}

/*
 * A listening socket on a port below those of outgoing connections: when it is closed, nobody but
 * the server that is meant to takes the port, and a probe cannot connect to itself.
 */
static int listen_somewhere(int *port)
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

static void start_server(enum behaviour behaviour)
{
    memset(&server, 0, sizeof(server));
    server.behaviour = behaviour;
    server.listener = listen_somewhere(&server.port);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void stop_server(void)
{
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
}

/* ------------------------------------------------------------------ events */

static void check_end(void)
{
    if ((world.wanted_acknowledged && world.acknowledged == world.wanted_acknowledged) ||
        (world.wanted_messages && world.messages == world.wanted_messages))
        loop_stop(&world.loop);
}

static enum iotify_result publish(const char *payload, uint64_t token)
{
    struct call call;
    enum iotify_result result;

    call_init(&call, "test");
    result = plugin->transport.session_publish(world.session, &call.base, world.publish,
        (struct iotify_bytes){payload, strlen(payload)}, token);
    call_clear(&call);
    return result;
}

static void on_connected(void *user, const struct iotify_connect_times *times)
{
    (void)user;
    world.connected++;
    world.times = *times;
    for (int i = 0; i < world.publish_when_connected; i++)
        assert_int_equal(publish("inside", (uint64_t)i), IOTIFY_OK);
    if (!world.wanted_acknowledged && !world.wanted_messages)
        loop_stop(&world.loop);
}

static void on_acknowledged(void *user, uint64_t token)
{
    (void)user;
    world.acknowledged++;
    world.tokens += token;
    check_end();
}

static void on_message(void *user, const char *topic, struct iotify_bytes payload)
{
    (void)user;
    world.messages++;
    snprintf(world.topic, sizeof(world.topic), "%s", topic);
    snprintf(world.payload, sizeof(world.payload), "%.*s", (int)payload.size,
        (const char *)payload.data);
    check_end();
}

static void on_closed(void *user, enum iotify_close reason, const char *text)
{
    (void)user;
    world.closed++;
    world.reason = reason;
    snprintf(world.text, sizeof(world.text), "%s", text);
    loop_stop(&world.loop);
}

static void on_lost(void *user, uint64_t token)
{
    (void)user;
    (void)token;
    world.lost++;
}

static const struct iotify_session_events events = {
    sizeof(events), on_connected, on_acknowledged, on_message, on_closed, on_lost};

static void ignore(void *argument)
{
    (void)argument;
}

static void on_limit(void *argument)
{
    (void)argument;
    loop_stop(&world.loop);
}

/* ------------------------------------------------------------------ set-up */

static const void *bind_settings(const struct iotify_settings *settings, const char *yaml)
{
    struct diagnostics diagnostics = {0};
    struct binder binder = {&arena, &diagnostics, folder, "job", false};
    struct location location = {"test", 1, 1};
    const void *options = schema_bind(&binder, settings,
        tree_parse_text(&arena, &diagnostics, "test", yaml), "test", location, NULL, NULL);

    diagnostics_print(&diagnostics, stderr);
    assert_int_equal(diagnostics.count, 0);
    diagnostics_clear(&diagnostics);
    return options;
}

static void open_transport(const char *options)
{
    struct call call;

    memset(&world, 0, sizeof(world));
    assert_true(loop_init(&world.loop, ignore, NULL, NULL));
    world.limit = world.loop.base.timer_new(&world.loop.base, on_limit, NULL);
    world.publish = bind_settings(plugin->transport.publish, "{topic: t/1, qos: 1}");
    call_init(&call, "test");
    assert_int_equal(plugin->transport.open(&call.base,
                         bind_settings(plugin->descriptor.settings, options), &world.instance),
        IOTIFY_OK);
    assert_int_equal(plugin->transport.engine_new(
                         world.instance, &call.base, &world.loop.base, &events, &world.engine),
        IOTIFY_OK);
    call_clear(&call);
}

static void close_transport(void)
{
    if (world.session)
        plugin->transport.session_free(world.session);
    plugin->transport.engine_free(world.engine);
    plugin->transport.close(world.instance);
    world.loop.base.timer_free(world.limit);
    loop_clear(&world.loop);
}

static enum iotify_result make_session(
    const char *connection, const char *filter, struct call *call)
{
    call_init(call, "test");
    return plugin->transport.session_new(world.engine, &call->base,
        bind_settings(plugin->transport.connection, connection), &filter, filter ? 1 : 0, NULL,
        &world.session);
}

static void open_session(const char *connection, const char *filter)
{
    struct call call;
    enum iotify_result result = make_session(connection, filter, &call);

    if (result != IOTIFY_OK)
        fprintf(stderr, "%s\n", call_message(&call, result));
    assert_int_equal(result, IOTIFY_OK);
    call_clear(&call);
}

static void run(double seconds)
{
    world.loop.base.timer_start(world.limit, (int64_t)(seconds * 1e9));
    loop_run(&world.loop);
}

static void connect_session(const char *connection, const char *filter)
{
    open_session(connection, filter);
    plugin->transport.session_connect(world.session);
    run(10);
}

static const char *plain(const char *more)
{
    return arena_format(
        &arena, "{host: 127.0.0.1, port: %d, tls: false, client_id: c%s}", broker_port, more);
}

/* Without a name to look up, which takes its time too. */
static const char *to_address(const char *more)
{
    return arena_format(&arena, "{host: 127.0.0.1, port: %d, client_id: c, ca: %s/ca.pem%s}",
        server.port, folder, more);
}

static const char *to_server(const char *more)
{
    return arena_format(&arena, "{host: localhost, port: %d, client_id: c, ca: %s/ca.pem%s}",
        server.port, folder, more);
}

static bool start_broker(void)
{
    char *configuration = arena_format(&arena, "%s/broker.conf", folder);
    char *arguments[] = {"mosquitto", "-c", configuration, NULL};
    FILE *stream = fopen(configuration, "we");
    int descriptor = listen_somewhere(&broker_port);

    close(descriptor);
    fprintf(stream, "listener %d 127.0.0.1\nallow_anonymous true\nlog_dest none\n%s", broker_port,
        geteuid() == 0 ? "user root\n" : "");
    fclose(stream);
    if (posix_spawnp(&broker, "mosquitto", NULL, NULL, arguments, environ) != 0 &&
        posix_spawn(&broker, "/usr/sbin/mosquitto", NULL, NULL, arguments, environ) != 0)
        return false;
    for (int i = 0; i < 500; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
            .sin_port = htons((uint16_t)broker_port),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        const struct timespec pause = {.tv_nsec = 10000000};
        int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int code = connect(probe, (struct sockaddr *)&address, sizeof(address));

        close(probe);
        if (code == 0)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static int set_up_group(void **state)
{
    struct rlimit limit;
    const char *text;

    (void)state;

    signal(SIGPIPE, SIG_IGN);
    /* A test needs more descriptors than select() takes, and than many systems give at first. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    unsetenv("AWS_CA_BUNDLE");
    registry_init(&registry);
    if (!mkdtemp(folder) || registry_load(&registry, "mqtt", &plugin, &text) != REGISTRY_OK)
        return -1;
    authority = authority_open(folder);
    return authority && start_broker() ? 0 : -1;
}

static int tear_down_group(void **state)
{
    int status, code;

    (void)state;
    kill(broker, SIGTERM);
    waitpid(broker, &status, 0);
    authority_close(authority);
    registry_clear(&registry);
    code = system(arena_format(&arena, "rm -rf %s", folder));
    arena_clear(&arena);
    return code;
}

static int count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* The descriptor of the session that connected last. */
static int newest_socket(void)
{
    struct sockaddr_in peer = {0};

    for (int descriptor = 1023; descriptor > 2; descriptor--) {
        socklen_t size = sizeof(peer);

        if (getpeername(descriptor, (struct sockaddr *)&peer, &size) == 0 &&
            peer.sin_family == AF_INET && ntohs(peer.sin_port) == broker_port)
            return descriptor;
    }
    return -1;
}

/* ------------------------------------------------------------------ with a real broker */

static void carries_messages(void **state)
{
    (void)state;
    open_transport("{}");
    connect_session(plain(""), "t/+");
    assert_int_equal(world.connected, 1);
    world.wanted_messages = 1;
    assert_int_equal(publish("hello", 1), IOTIFY_OK);
    run(10);
    assert_string_equal(world.topic, "t/1");
    assert_string_equal(world.payload, "hello");
    plugin->transport.session_disconnect(world.session);
    /* The event comes from the loop, not from inside the call. */
    assert_int_equal(world.closed, 0);
    run(10);
    assert_int_equal(world.reason, IOTIFY_CLOSED_BY_US);
    close_transport();
}

static void acknowledges_each_once(void **state)
{
    (void)state;
    for (int qos = 0; qos <= 1; qos++) {
        open_transport("{}");
        connect_session(plain(""), NULL);
        world.publish = bind_settings(
            plugin->transport.publish, qos ? "{topic: t/1, qos: 1}" : "{topic: t/1, qos: 0}");
        world.wanted_acknowledged = 500;
        for (uint64_t i = 0; i < 500; i++)
            assert_int_equal(publish("x", i), IOTIFY_OK);
        assert_int_equal(world.acknowledged, 0);
        run(20);
        assert_int_equal(world.acknowledged, 500);
        assert_int_equal(world.tokens, 499 * 500 / 2);
        close_transport();
    }
}

static void publishes_from_inside_an_event(void **state)
{
    (void)state;
    open_transport("{}");
    world.publish_when_connected = 5;
    world.wanted_acknowledged = 5;
    connect_session(plain(""), NULL);
    assert_int_equal(world.acknowledged, 5);
    close_transport();
}

static void needs_one_descriptor(void **state)
{
    int before;

    (void)state;
    open_transport("{}");
    before = count_descriptors();
    open_session(plain(""), NULL);
    assert_int_equal(count_descriptors(), before);
    plugin->transport.session_connect(world.session);
    run(10);
    assert_int_equal(world.connected, 1);
    assert_int_equal(count_descriptors(), before + 1);
    close_transport();
}

static void works_beyond_selects_limit(void **state)
{
    enum { MANY = 1100 };
    static int held[MANY];

    (void)state;
    for (int i = 0; i < MANY; i++)
        assert_true((held[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
    open_transport("{}");
    connect_session(plain(""), NULL);
    assert_int_equal(world.connected, 1);
    world.wanted_acknowledged = 1;
    assert_int_equal(publish("x", 1), IOTIFY_OK);
    run(10);
    assert_int_equal(world.acknowledged, 1);
    close_transport();
    for (int i = 0; i < MANY; i++)
        close(held[i]);
}

static void connects_again(void **state)
{
    (void)state;
    open_transport("{}");
    connect_session(plain(""), NULL);
    for (int i = 0; i < 3; i++) {
        plugin->transport.session_disconnect(world.session);
        run(10);
        assert_int_equal(world.closed, i + 1);
        assert_int_equal(publish("x", 1), IOTIFY_TRANSIENT);
        plugin->transport.session_connect(world.session);
        run(10);
        assert_int_equal(world.connected, i + 2);
    }
    close_transport();
}

static const char *plain_as(const char *client_id)
{
    return arena_format(
        &arena, "{host: 127.0.0.1, port: %d, tls: false, client_id: %s}", broker_port, client_id);
}

static void will_is_left_behind(void **state)
{
    void *sessions[3];

    (void)state;
    open_transport("{}");
    connect_session(plain(", will: {topic: t/will, payload: gone, qos: 1}"), NULL);
    sessions[0] = world.session;
    connect_session(plain_as("d"), "t/will");
    sessions[1] = world.session;
    world.wanted_messages = 1;
    /* The same client id drops the first session, whose will fires. */
    connect_session(plain_as("c"), NULL);
    sessions[2] = world.session;
    for (int i = 0; i < 5 && world.messages == 0; i++)
        run(2);
    assert_string_equal(world.payload, "gone");
    for (int i = 0; i < 3; i++)
        plugin->transport.session_free(sessions[i]);
    world.session = NULL;
    close_transport();
}

static void refuses_bad_settings(void **state)
{
    static const struct {
        const char *connection, *filter, *error;
    } cases[] = {
        {"{client_id: c}", NULL, "host: is not set, and no connector gives an endpoint"},
        {"{host: h, client_id: \"\"}", NULL, "client_id: is empty"},
        {"{host: h, client_id: c}", "a/#/b", "subscribe: \"a/#/b\" is no topic filter"},
        {"{host: h, client_id: c, key: x}", NULL,
            "key is set and cert is not; a client certificate needs both"},
        {"{host: h, client_id: c, key: x, cert: y}", NULL, "cert: is no PEM certificate"},
        {"{host: h, client_id: c, ca: /nonexistent}", NULL,
            "ca: cannot read certificates from /nonexistent: system lib"},
        {"{host: h, client_id: c, tls: false, will: {topic: \"a/#\"}}", NULL,
            "will.topic: \"a/#\" is no topic to publish on"},
    };

    (void)state;
    open_transport("{}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct call call;
        enum iotify_result result = make_session(cases[i].connection, cases[i].filter, &call);

        assert_int_equal(result, IOTIFY_INVALID);
        /* OpenSSL's word for a file that is not there differs between its versions. */
        if (strncmp(cases[i].error, "ca: cannot", 10) == 0)
            assert_memory_equal(call_message(&call, result), cases[i].error, 41);
        else
            assert_string_equal(call_message(&call, result), cases[i].error);
        call_clear(&call);
    }
    close_transport();
}

/* What the server never saw is told as lost with QoS 0, and sent again with QoS 1. */
static void loses_what_was_not_written(void **state)
{
    int status;

    (void)state;
    for (int qos = 0; qos <= 1; qos++) {
        char *payload = calloc(1, 1 << 20);

        memset(payload, 'x', (1 << 20) - 1);
        open_transport("{}");
        connect_session(plain(""), NULL);
        world.publish = bind_settings(
            plugin->transport.publish, qos ? "{topic: t/1, qos: 1}" : "{topic: t/1, qos: 0}");
        /* More than the socket takes while the broker reads nothing: something waits at its end. */
        kill(broker, SIGSTOP);
        assert_int_equal(waitpid(broker, &status, WUNTRACED), broker);
        for (uint64_t i = 0; i < 20; i++)
            assert_int_equal(publish(payload, i), IOTIFY_OK);
        shutdown(newest_socket(), SHUT_RDWR);
        run(5);
        kill(broker, SIGCONT);
        assert_int_equal(world.closed, 1);
        if (qos == 0) {
            assert_true(world.lost > 0);
            assert_int_equal(world.lost + world.acknowledged, 20);
        } else {
            assert_int_equal(world.lost, 0);
            world.wanted_acknowledged = 20;
            plugin->transport.session_connect(world.session);
            run(20);
            assert_int_equal(world.acknowledged, 20);
        }
        close_transport();
        free(payload);
    }
}

/* ------------------------------------------------------------------ with bad servers */

/* The loop must sleep while nothing happens: CPU time tells. */
static void run_asleep(double seconds)
{
    int64_t cpu = clock_cpu(), began = clock_now();

    run(seconds);
    assert_true((double)(clock_cpu() - cpu) < 0.5 * (double)(clock_now() - began) + 50e6);
}

static void tells_refused_connections(void **state)
{
    int port, descriptor = listen_somewhere(&port);

    (void)state;
    close(descriptor);
    for (int tls = 0; tls <= 1; tls++) {
        open_transport("{}");
        open_session(arena_format(&arena, "{host: 127.0.0.1, port: %d, client_id: c, tls: %s}",
                         port, tls ? "true" : "false"),
            NULL);
        plugin->transport.session_connect(world.session);
        run_asleep(5);
        assert_int_equal(world.closed, 1);
        assert_int_equal(world.reason, IOTIFY_CLOSED_UNREACHABLE);
        assert_string_equal(world.text,
            arena_format(&arena, "cannot connect to 127.0.0.1 port %d: Connection refused", port));
        close_transport();
    }
}

static void tells_names_that_do_not_exist(void **state)
{
    (void)state;
    open_transport("{}");
    /* A label of more than 63 bytes cannot exist, and is not asked for over the network. */
    open_session("{host: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, "
                 "client_id: c}",
        NULL);
    plugin->transport.session_connect(world.session);
    assert_int_equal(world.closed, 0);
    run_asleep(10);
    assert_int_equal(world.reason, IOTIFY_CLOSED_UNREACHABLE);
    assert_non_null(strstr(world.text, "cannot find the host aaaa"));
    close_transport();
}

static void ends_when_the_server_closes(void **state)
{
    (void)state;
    start_server(CLOSES);
    open_transport("{}");
    open_session(to_server(""), NULL);
    plugin->transport.session_connect(world.session);
    run_asleep(5);
    assert_int_equal(world.closed, 1);
    assert_int_equal(world.reason, IOTIFY_CLOSED_TLS);
    close_transport();
    stop_server();
}

static void gives_up_on_silence(void **state)
{
    (void)state;
    for (int tls = 0; tls <= 1; tls++) {
        start_server(IS_SILENT);
        open_transport("{}");
        open_session(to_address(tls ? ", timeout: 2s" : ", timeout: 2s, tls: false"), NULL);
        plugin->transport.session_connect(world.session);
        run_asleep(5);
        assert_int_equal(world.closed, 1);
        assert_int_equal(world.reason, IOTIFY_CLOSED_TIMEOUT);
        assert_string_equal(world.text, tls ? "no answer in 2 s while in the TLS handshake"
                                            : "no answer in 2 s while waiting for CONNACK");
        close_transport();
        stop_server();
    }
}

static void survives_garbage(void **state)
{
    (void)state;
    for (int tls = 0; tls <= 1; tls++) {
        start_server(SENDS_GARBAGE);
        open_transport("{}");
        open_session(to_server(tls ? "" : ", tls: false, timeout: 2s"), NULL);
        plugin->transport.session_connect(world.session);
        run_asleep(5);
        assert_int_equal(world.closed, 1);
        assert_int_equal(world.connected, 0);
        close_transport();
        stop_server();
    }
}

static void speaks_tls(void **state)
{
    (void)state;
    start_server(SPEAKS_TLS);
    open_transport("{alpn: x-amzn-mqtt-ca}");
    connect_session(to_server(""), NULL);
    assert_string_equal(world.text, "");
    assert_int_equal(world.connected, 1);
    assert_true(world.times.tls > 0);
    close_transport();
    stop_server();
    assert_string_equal(server.sni, "localhost");
    assert_string_equal(server.alpn, "x-amzn-mqtt-ca");
}

static void checks_the_name(void **state)
{
    (void)state;
    start_server(SPEAKS_TLS);
    open_transport("{}");
    connect_session(to_server(", server_name: other.example"), NULL);
    assert_int_equal(world.reason, IOTIFY_CLOSED_TLS);
    assert_string_equal(world.text, "the server's certificate is not trusted: hostname mismatch");
    close_transport();
    stop_server();
}

static void checks_the_root(void **state)
{
    (void)state;
    start_server(SPEAKS_TLS);
    open_transport("{}");
    connect_session(
        arena_format(&arena, "{host: localhost, port: %d, client_id: c}", server.port), NULL);
    assert_int_equal(world.connected, 0);
    assert_int_equal(world.reason, IOTIFY_CLOSED_TLS);
    assert_non_null(strstr(world.text, "the server's certificate is not trusted: "));
    close_transport();
    stop_server();
}

static void may_skip_the_check(void **state)
{
    (void)state;
    start_server(SPEAKS_TLS);
    open_transport("{}");
    connect_session(arena_format(&arena, "{host: localhost, port: %d, client_id: c, verify: false}",
                        server.port),
        NULL);
    assert_int_equal(world.connected, 1);
    close_transport();
    stop_server();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(carries_messages),
        cmocka_unit_test(acknowledges_each_once), cmocka_unit_test(publishes_from_inside_an_event),
        cmocka_unit_test(needs_one_descriptor), cmocka_unit_test(works_beyond_selects_limit),
        cmocka_unit_test(connects_again), cmocka_unit_test(loses_what_was_not_written),
        cmocka_unit_test(will_is_left_behind), cmocka_unit_test(refuses_bad_settings),
        cmocka_unit_test(tells_refused_connections),
        cmocka_unit_test(tells_names_that_do_not_exist),
        cmocka_unit_test(ends_when_the_server_closes), cmocka_unit_test(gives_up_on_silence),
        cmocka_unit_test(survives_garbage), cmocka_unit_test(speaks_tls),
        cmocka_unit_test(checks_the_name), cmocka_unit_test(checks_the_root),
        cmocka_unit_test(may_skip_the_check)};

    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
