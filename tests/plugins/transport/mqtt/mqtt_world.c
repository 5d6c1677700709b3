/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_world.h"
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

#include "fake_server.h"

extern char **environ;

struct world world;
struct setup setup = {.folder = "/tmp/iotify-mqtt-XXXXXX"};

static void check_end(void)
{
    if ((world.wanted_acknowledged && world.acknowledged == world.wanted_acknowledged) ||
        (world.wanted_messages && world.messages == world.wanted_messages))
        loop_stop(&world.loop);
}

enum iotify_result world_publish(const char *payload, uint64_t token)
{
    struct call call;
    enum iotify_result result;

    call_init(&call, "test");
    result = setup.plugin->transport.session_publish(world.session, &call.base, world.publish,
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
        assert_int_equal(world_publish("inside", (uint64_t)i), IOTIFY_RESULT_OK);
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

static void on_message(void *user, const struct iotify_message *message)
{
    (void)user;
    world.messages++;
    snprintf(world.topic, sizeof(world.topic), "%s", message->topic);
    snprintf(world.payload, sizeof(world.payload), "%.*s", (int)message->payload.size,
        (const char *)message->payload.data);
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

static const struct iotify_session_events world_events = {.struct_size = sizeof(world_events),
    .connected = on_connected,
    .acknowledged = on_acknowledged,
    .message = on_message,
    .closed = on_closed,
    .lost = on_lost};

static void world_ignore(void *argument)
{
    (void)argument;
}

static const struct loop_owner world_owner = {.woken = world_ignore};

static void on_limit(void *argument)
{
    (void)argument;
    loop_stop(&world.loop);
}

const void *world_bind(const struct iotify_settings *settings, const char *yaml)
{
    struct diagnostics diagnostics = {0};
    struct binder binder = {&setup.arena, &diagnostics, setup.folder, "job", false};
    struct location location = {"test", 1, 1};
    const void *options = schema_bind(&binder, settings,
        tree_parse_text(&setup.arena, &diagnostics, "test", yaml), "test", location, NULL, NULL);

    diagnostics_print(&diagnostics, stderr);
    assert_int_equal(diagnostics.count, 0);
    diagnostics_clear(&diagnostics);
    return options;
}

void world_open_transport(const char *options)
{
    struct call call;

    memset(&world, 0, sizeof(world));
    assert_true(loop_init(&world.loop, &world_owner, NULL));
    world.limit = world.loop.base.timer_new(&world.loop.base, on_limit, NULL);
    world.publish = world_bind(setup.plugin->transport.publish, "{topic: t/1, qos: 1}");
    call_init(&call, "test");
    assert_int_equal(setup.plugin->transport.open(&call.base,
                         world_bind(setup.plugin->descriptor.settings, options), &world.instance),
        IOTIFY_RESULT_OK);
    assert_int_equal(setup.plugin->transport.channel_new(world.instance, &call.base,
                         &world.loop.base, &world_events, &world.channel),
        IOTIFY_RESULT_OK);
    call_clear(&call);
}

void world_close_transport(void)
{
    if (world.session)
        setup.plugin->transport.session_free(world.session);
    setup.plugin->transport.channel_free(world.channel);
    setup.plugin->transport.close(world.instance);
    world.loop.base.timer_free(world.limit);
    loop_clear(&world.loop);
}

enum iotify_result world_make_session(const char *connection, const char *filter, struct call *call)
{
    call_init(call, "test");
    return setup.plugin->transport.session_new(world.channel, &call->base,
        world_bind(setup.plugin->transport.connection, connection), &filter, filter ? 1 : 0, NULL,
        &world.session);
}

void world_open_session(const char *connection, const char *filter)
{
    struct call call;
    enum iotify_result result = world_make_session(connection, filter, &call);

    if (result != IOTIFY_RESULT_OK)
        fprintf(stderr, "%s\n", call_message(&call, result));
    assert_int_equal(result, IOTIFY_RESULT_OK);
    call_clear(&call);
}

void world_run(double seconds)
{
    world.loop.base.timer_start(world.limit, (int64_t)(seconds * 1e9));
    loop_run(&world.loop);
}

void world_connect(const char *connection, const char *filter)
{
    world_open_session(connection, filter);
    setup.plugin->transport.session_connect(world.session);
    world_run(10);
}

const char *world_plain(const char *more)
{
    return arena_format(&setup.arena, "{host: 127.0.0.1, port: %d, tls: false, client_id: c%s}",
        setup.broker_port, more);
}

/* With an address, so that no time is spent on a name lookup. */
const char *world_to_address(const char *more)
{
    return arena_format(&setup.arena, "{host: 127.0.0.1, port: %d, client_id: c, ca: %s/ca.pem%s}",
        fake_server.port, setup.folder, more);
}

const char *world_to_server(const char *more)
{
    return arena_format(&setup.arena, "{host: localhost, port: %d, client_id: c, ca: %s/ca.pem%s}",
        fake_server.port, setup.folder, more);
}

static bool start_broker(void)
{
    char *configuration = arena_format(&setup.arena, "%s/broker.conf", setup.folder);
    char *arguments[] = {"mosquitto", "-c", configuration, NULL};
    FILE *stream = fopen(configuration, "we");
    int descriptor = fake_server_listen(&setup.broker_port);

    close(descriptor);
    fprintf(stream, "listener %d 127.0.0.1\nallow_anonymous true\nlog_dest none\n%s",
        setup.broker_port, geteuid() == 0 ? "user root\n" : "");
    fclose(stream);
    if (posix_spawnp(&setup.broker, "mosquitto", NULL, NULL, arguments, environ) != 0 &&
        posix_spawn(&setup.broker, "/usr/sbin/mosquitto", NULL, NULL, arguments, environ) != 0)
        return false;
    for (int i = 0; i < 500; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
            .sin_port = htons((uint16_t)setup.broker_port),
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

int world_set_up(void **state)
{
    struct rlimit limit;
    const char *text;

    (void)state;

    signal(SIGPIPE, SIG_IGN);
    /* A test needs more descriptors than select() supports, and than many default limits allow. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    unsetenv("AWS_CA_BUNDLE");
    registry_init(&setup.registry);
    if (!mkdtemp(setup.folder) ||
        registry_load(&setup.registry, "mqtt", &setup.plugin, &text) != REGISTRY_OK)
        return -1;
    setup.ca = ca_open(setup.folder);
    return setup.ca && start_broker() ? 0 : -1;
}

int world_tear_down(void **state)
{
    int status, code;

    (void)state;
    kill(setup.broker, SIGTERM);
    waitpid(setup.broker, &status, 0);
    ca_close(setup.ca);
    registry_clear(&setup.registry);
    code = system(arena_format(&setup.arena, "rm -rf %s", setup.folder));
    arena_clear(&setup.arena);
    return code;
}

int world_count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* The descriptor of the session that connected last. */
int world_newest_socket(void)
{
    struct sockaddr_in peer = {0};

    for (int descriptor = 1023; descriptor > 2; descriptor--) {
        socklen_t size = sizeof(peer);

        if (getpeername(descriptor, (struct sockaddr *)&peer, &size) == 0 &&
            peer.sin_family == AF_INET && ntohs(peer.sin_port) == setup.broker_port)
            return descriptor;
    }
    return -1;
}
