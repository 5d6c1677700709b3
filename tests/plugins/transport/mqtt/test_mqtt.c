/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MQTT transport on the host's loop: against a real mosquitto, and against servers that
 * misbehave. Each pitfall of libmosquitto that the plugin works around has a test here.
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
#include "fake_server.h"
#include "mqtt_world.h"
#include "sandbox/ca.h"

/* ------------------------------------------------------------------ with a real broker */

static void carries_messages(void **state)
{
    (void)state;
    world_open_transport("{}");
    world_connect(world_plain(""), "t/+");
    assert_int_equal(world.connected, 1);
    world.wanted_messages = 1;
    assert_int_equal(world_publish("hello", 1), IOTIFY_RESULT_OK);
    world_run(10);
    assert_string_equal(world.topic, "t/1");
    assert_string_equal(world.payload, "hello");
    setup.plugin->transport.session_disconnect(world.session);
    /* The event comes from the loop, not from inside the call. */
    assert_int_equal(world.closed, 0);
    world_run(10);
    assert_int_equal(world.reason, IOTIFY_CLOSED_BY_US);
    world_close_transport();
}

static void acknowledges_each_once(void **state)
{
    (void)state;
    for (int qos = 0; qos <= 1; qos++) {
        world_open_transport("{}");
        world_connect(world_plain(""), NULL);
        world.publish = world_bind(
            setup.plugin->transport.publish, qos ? "{topic: t/1, qos: 1}" : "{topic: t/1, qos: 0}");
        world.wanted_acknowledged = 500;
        for (uint64_t i = 0; i < 500; i++)
            assert_int_equal(world_publish("x", i), IOTIFY_RESULT_OK);
        assert_int_equal(world.acknowledged, 0);
        world_run(20);
        assert_int_equal(world.acknowledged, 500);
        assert_int_equal(world.tokens, 499 * 500 / 2);
        world_close_transport();
    }
}

static void publishes_from_inside_an_event(void **state)
{
    (void)state;
    world_open_transport("{}");
    world.publish_when_connected = 5;
    world.wanted_acknowledged = 5;
    world_connect(world_plain(""), NULL);
    assert_int_equal(world.acknowledged, 5);
    world_close_transport();
}

static void needs_one_descriptor(void **state)
{
    int before;

    (void)state;
    world_open_transport("{}");
    before = world_count_descriptors();
    world_open_session(world_plain(""), NULL);
    assert_int_equal(world_count_descriptors(), before);
    setup.plugin->transport.session_connect(world.session);
    world_run(10);
    assert_int_equal(world.connected, 1);
    assert_int_equal(world_count_descriptors(), before + 1);
    world_close_transport();
}

static void works_beyond_selects_limit(void **state)
{
    enum { MANY = 1100 };
    static int held[MANY];

    (void)state;
    for (int i = 0; i < MANY; i++)
        assert_true((held[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
    world_open_transport("{}");
    world_connect(world_plain(""), NULL);
    assert_int_equal(world.connected, 1);
    world.wanted_acknowledged = 1;
    assert_int_equal(world_publish("x", 1), IOTIFY_RESULT_OK);
    world_run(10);
    assert_int_equal(world.acknowledged, 1);
    world_close_transport();
    for (int i = 0; i < MANY; i++)
        close(held[i]);
}

static void connects_again(void **state)
{
    (void)state;
    world_open_transport("{}");
    world_connect(world_plain(""), NULL);
    for (int i = 0; i < 3; i++) {
        setup.plugin->transport.session_disconnect(world.session);
        world_run(10);
        assert_int_equal(world.closed, i + 1);
        assert_int_equal(world_publish("x", 1), IOTIFY_RESULT_TRANSIENT);
        setup.plugin->transport.session_connect(world.session);
        world_run(10);
        assert_int_equal(world.connected, i + 2);
    }
    world_close_transport();
}

static const char *plain_as(const char *client_id)
{
    return arena_format(&setup.arena, "{host: 127.0.0.1, port: %d, tls: false, client_id: %s}",
        setup.broker_port, client_id);
}

static void will_is_left_behind(void **state)
{
    void *sessions[3];

    (void)state;
    world_open_transport("{}");
    world_connect(world_plain(", will: {topic: t/will, payload: gone, qos: 1}"), NULL);
    sessions[0] = world.session;
    world_connect(plain_as("d"), "t/will");
    sessions[1] = world.session;
    world.wanted_messages = 1;
    /* The same client id drops the first session, whose will fires. */
    world_connect(plain_as("c"), NULL);
    sessions[2] = world.session;
    for (int i = 0; i < 5 && world.messages == 0; i++)
        world_run(2);
    assert_string_equal(world.payload, "gone");
    for (int i = 0; i < 3; i++)
        setup.plugin->transport.session_free(sessions[i]);
    world.session = NULL;
    world_close_transport();
}

static void refuses_bad_settings(void **state)
{
    static const struct {
        const char *connection, *filter, *error;
    } cases[] = {
        {.connection = "{client_id: c}",
            .error = "host: is not set, and no connector gives an endpoint"},
        {.connection = "{host: h, client_id: \"\"}", .error = "client_id: is empty"},
        {.connection = "{host: h, client_id: c}",
            .filter = "a/#/b",
            .error = "subscribe: \"a/#/b\" is not a valid topic filter"},
        {.connection = "{host: h, client_id: c, key: x}",
            .error = "key is set and cert is not; a client certificate needs both"},
        {.connection = "{host: h, client_id: c, key: x, cert: y}",
            .error = "cert: not a PEM certificate"},
        {.connection = "{host: h, client_id: c, ca: /nonexistent}",
            .error = "ca: cannot read certificates from /nonexistent: system lib"},
        {.connection = "{host: h, client_id: c, tls: false, will: {topic: \"a/#\"}}",
            .error = "will.topic: \"a/#\" is not a valid topic for publishing"},
    };

    (void)state;
    world_open_transport("{}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct call call;
        enum iotify_result result = world_make_session(cases[i].connection, cases[i].filter, &call);

        assert_int_equal(result, IOTIFY_RESULT_INVALID);
        /* OpenSSL's message for a missing file differs between versions. */
        if (strncmp(cases[i].error, "ca: cannot", 10) == 0)
            assert_memory_equal(call_message(&call, result), cases[i].error, 41);
        else
            assert_string_equal(call_message(&call, result), cases[i].error);
        call_clear(&call);
    }
    world_close_transport();
}

/* What was not written is reported as lost with QoS 0, and sent again with QoS 1. */
static void loses_what_was_not_written(void **state)
{
    int status;

    (void)state;
    for (int qos = 0; qos <= 1; qos++) {
        char *payload = calloc(1, 1 << 20);

        memset(payload, 'x', (1 << 20) - 1);
        world_open_transport("{}");
        world_connect(world_plain(""), NULL);
        world.publish = world_bind(
            setup.plugin->transport.publish, qos ? "{topic: t/1, qos: 1}" : "{topic: t/1, qos: 0}");
        /*
         * More than the socket accepts while the broker does not read: some data stays unwritten.
         */
        kill(setup.broker, SIGSTOP);
        assert_int_equal(waitpid(setup.broker, &status, WUNTRACED), setup.broker);
        for (uint64_t i = 0; i < 20; i++)
            assert_int_equal(world_publish(payload, i), IOTIFY_RESULT_OK);
        shutdown(world_newest_socket(), SHUT_RDWR);
        world_run(5);
        kill(setup.broker, SIGCONT);
        assert_int_equal(world.closed, 1);
        if (qos == 0) {
            assert_true(world.lost > 0);
            assert_int_equal(world.lost + world.acknowledged, 20);
        } else {
            assert_int_equal(world.lost, 0);
            world.wanted_acknowledged = 20;
            setup.plugin->transport.session_connect(world.session);
            world_run(20);
            assert_int_equal(world.acknowledged, 20);
        }
        world_close_transport();
        free(payload);
    }
}

/* ------------------------------------------------------------------ with servers that misbehave */

/* The loop must sleep while nothing happens; the CPU time shows it. */
static void run_asleep(double seconds)
{
    int64_t cpu = clock_cpu(), began = clock_now();

    world_run(seconds);
    assert_true((double)(clock_cpu() - cpu) < 0.5 * (double)(clock_now() - began) + 50e6);
}

static void reports_refused_connections(void **state)
{
    int port, descriptor = fake_server_listen(&port);

    (void)state;
    close(descriptor);
    for (int tls = 0; tls <= 1; tls++) {
        world_open_transport("{}");
        world_open_session(
            arena_format(&setup.arena, "{host: 127.0.0.1, port: %d, client_id: c, tls: %s}", port,
                tls ? "true" : "false"),
            NULL);
        setup.plugin->transport.session_connect(world.session);
        run_asleep(5);
        assert_int_equal(world.closed, 1);
        assert_int_equal(world.reason, IOTIFY_CLOSED_UNREACHABLE);
        assert_string_equal(
            world.text, arena_format(&setup.arena,
                            "cannot connect to 127.0.0.1 port %d: Connection refused", port));
        world_close_transport();
    }
}

static void reports_names_that_do_not_exist(void **state)
{
    (void)state;
    world_open_transport("{}");
    /* A label of more than 63 bytes is invalid: no DNS query is sent for it. */
    world_open_session(
        "{host: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, "
        "client_id: c}",
        NULL);
    setup.plugin->transport.session_connect(world.session);
    assert_int_equal(world.closed, 0);
    run_asleep(10);
    assert_int_equal(world.reason, IOTIFY_CLOSED_UNREACHABLE);
    assert_non_null(strstr(world.text, "cannot find the host aaaa"));
    world_close_transport();
}

static void ends_when_the_server_closes(void **state)
{
    (void)state;
    fake_server_start(CLOSES);
    world_open_transport("{}");
    world_open_session(world_to_server(""), NULL);
    setup.plugin->transport.session_connect(world.session);
    run_asleep(5);
    assert_int_equal(world.closed, 1);
    assert_int_equal(world.reason, IOTIFY_CLOSED_TLS);
    world_close_transport();
    fake_server_stop();
}

static void gives_up_on_silence(void **state)
{
    (void)state;
    for (int tls = 0; tls <= 1; tls++) {
        fake_server_start(IS_SILENT);
        world_open_transport("{}");
        world_open_session(
            world_to_address(tls ? ", timeout: 2s" : ", timeout: 2s, tls: false"), NULL);
        setup.plugin->transport.session_connect(world.session);
        run_asleep(5);
        assert_int_equal(world.closed, 1);
        assert_int_equal(world.reason, IOTIFY_CLOSED_TIMEOUT);
        assert_string_equal(world.text, tls ? "no answer in 2 s while in the TLS handshake"
                                            : "no answer in 2 s while waiting for CONNACK");
        world_close_transport();
        fake_server_stop();
    }
}

static void survives_garbage(void **state)
{
    (void)state;
    for (int tls = 0; tls <= 1; tls++) {
        fake_server_start(SENDS_GARBAGE);
        world_open_transport("{}");
        world_open_session(world_to_server(tls ? "" : ", tls: false, timeout: 2s"), NULL);
        setup.plugin->transport.session_connect(world.session);
        run_asleep(5);
        assert_int_equal(world.closed, 1);
        assert_int_equal(world.connected, 0);
        world_close_transport();
        fake_server_stop();
    }
}

static void speaks_tls(void **state)
{
    (void)state;
    fake_server_start(SPEAKS_TLS);
    world_open_transport("{alpn: x-amzn-mqtt-ca}");
    world_connect(world_to_server(""), NULL);
    assert_string_equal(world.text, "");
    assert_int_equal(world.connected, 1);
    assert_true(world.times.tls > 0);
    world_close_transport();
    fake_server_stop();
    assert_string_equal(fake_server.sni, "localhost");
    assert_string_equal(fake_server.alpn, "x-amzn-mqtt-ca");
}

static void checks_the_name(void **state)
{
    (void)state;
    fake_server_start(SPEAKS_TLS);
    world_open_transport("{}");
    world_connect(world_to_server(", server_name: other.example"), NULL);
    assert_int_equal(world.reason, IOTIFY_CLOSED_TLS);
    assert_string_equal(world.text, "the server's certificate is not trusted: hostname mismatch");
    world_close_transport();
    fake_server_stop();
}

static void checks_the_root(void **state)
{
    (void)state;
    fake_server_start(SPEAKS_TLS);
    world_open_transport("{}");
    world_connect(
        arena_format(&setup.arena, "{host: localhost, port: %d, client_id: c}", fake_server.port),
        NULL);
    assert_int_equal(world.connected, 0);
    assert_int_equal(world.reason, IOTIFY_CLOSED_TLS);
    assert_non_null(strstr(world.text, "the server's certificate is not trusted: "));
    world_close_transport();
    fake_server_stop();
}

static void may_skip_the_check(void **state)
{
    (void)state;
    fake_server_start(SPEAKS_TLS);
    world_open_transport("{}");
    world_connect(arena_format(&setup.arena,
                      "{host: localhost, port: %d, client_id: c, verify: false}", fake_server.port),
        NULL);
    assert_int_equal(world.connected, 1);
    world_close_transport();
    fake_server_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(carries_messages),
        cmocka_unit_test(acknowledges_each_once), cmocka_unit_test(publishes_from_inside_an_event),
        cmocka_unit_test(needs_one_descriptor), cmocka_unit_test(works_beyond_selects_limit),
        cmocka_unit_test(connects_again), cmocka_unit_test(loses_what_was_not_written),
        cmocka_unit_test(will_is_left_behind), cmocka_unit_test(refuses_bad_settings),
        cmocka_unit_test(reports_refused_connections),
        cmocka_unit_test(reports_names_that_do_not_exist),
        cmocka_unit_test(ends_when_the_server_closes), cmocka_unit_test(gives_up_on_silence),
        cmocka_unit_test(survives_garbage), cmocka_unit_test(speaks_tls),
        cmocka_unit_test(checks_the_name), cmocka_unit_test(checks_the_root),
        cmocka_unit_test(may_skip_the_check)};

    return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
