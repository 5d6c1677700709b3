/* SPDX-License-Identifier: Apache-2.0 */
/* A server of one connection that misbehaves. */
#ifndef TESTS_PLUGINS_TRANSPORT_MQTT_FAKE_SERVER_H
#define TESTS_PLUGINS_TRANSPORT_MQTT_FAKE_SERVER_H

#include "check.h"

#include <pthread.h>

enum behaviour { CLOSES, IS_SILENT, SENDS_GARBAGE, SPEAKS_TLS };

extern struct fake_server {
    enum behaviour behaviour;
    int listener, port;
    pthread_t thread;
    char sni[100], alpn[100];
    int client;
    const char *trust; /* NULL: the authority's certificate */
} fake_server;

/*
 * Open a listening socket on a port below those of outgoing connections, and set `*port`. After the
 * caller closes it, no outgoing connection can take the port, and a probe cannot connect to itself.
 */
int fake_server_listen(int *port);
void fake_server_start(enum behaviour behaviour);
void fake_server_stop(void);

#endif
