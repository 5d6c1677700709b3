/* SPDX-License-Identifier: Apache-2.0 */
/* The setup of the transport's tests: a loop, one session, a real broker. */
#ifndef TESTS_PLUGINS_TRANSPORT_MQTT_MQTT_WORLD_H
#define TESTS_PLUGINS_TRANSPORT_MQTT_MQTT_WORLD_H

#include "check.h"

#include "core/loop/loop.h"
#include "core/plugin/call.h"
#include "core/plugin/registry.h"
#include "sandbox/ca.h"

/* One session and what happened to it. */
extern struct world {
    struct loop loop;
    void *instance, *channel, *session;
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

/* What all tests share. */
extern struct setup {
    struct registry registry;
    const struct plugin *plugin;
    struct arena arena;
    char folder[32];
    struct ca *ca;
    pid_t broker;
    int broker_port;
} setup;

enum iotify_result world_publish(const char *payload, uint64_t token);
void world_open_transport(const char *options);
void world_close_transport(void);
enum iotify_result world_make_session(
    const char *connection, const char *filter, struct call *call);
void world_open_session(const char *connection, const char *filter);
void world_run(double seconds);
void world_connect(const char *connection, const char *filter);
const char *world_plain(const char *more);
/* With an address, so that no time is spent on a name lookup. */
const char *world_to_address(const char *more);
const char *world_to_server(const char *more);
int world_set_up(void **state);
int world_tear_down(void **state);
int world_count_descriptors(void);
/* The descriptor of the session that connected last. */
int world_newest_socket(void);
const void *world_bind(const struct iotify_settings *settings, const char *yaml);

#endif
