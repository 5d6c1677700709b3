/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/publisher.h"

#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/policy/topic.h"
#include "sandbox/mqtt.h"

struct publisher {
    struct mosquitto *mosquitto;
};

struct publisher *publisher_open(const char *broker)
{
    struct publisher *publisher = calloc(1, sizeof(*publisher));
    int code;

    if (!publisher)
        return NULL;
    mosquitto_lib_init();
    publisher->mosquitto = mosquitto_new("$sandbox", true, NULL);
    /* With port 0, libmosquitto takes the host as the path of a socket. */
    code = publisher->mosquitto ? mosquitto_connect(publisher->mosquitto, broker, 0, 60)
                                : MOSQ_ERR_NOMEM;
    if (code == MOSQ_ERR_SUCCESS)
        code = mosquitto_loop_start(publisher->mosquitto);
    if (code == MOSQ_ERR_SUCCESS)
        return publisher;
    fprintf(stderr, "iotify-sandbox: cannot connect to the broker: %s\n", mosquitto_strerror(code));
    publisher_close(publisher);
    return NULL;
}

void publisher_close(struct publisher *publisher)
{
    if (!publisher)
        return;
    if (publisher->mosquitto) {
        /* After a disconnect the thread ends by itself; cancelled, it might hold a lock. */
        mosquitto_disconnect(publisher->mosquitto);
        mosquitto_loop_stop(publisher->mosquitto, false);
        mosquitto_destroy(publisher->mosquitto);
    }
    mosquitto_lib_cleanup();
    free(publisher);
}

bool publisher_publish(struct publisher *publisher, const char *topic, const char *payload,
    size_t size, int qos, bool retain)
{
    return mosquitto_publish(publisher->mosquitto, NULL, topic, (int)size, payload, qos, retain) ==
           MOSQ_ERR_SUCCESS;
}

bool publisher_accepts(const char *topic)
{
    size_t size = strlen(topic);

    return mqtt_valid_topic((struct mqtt_text){topic, size}) && topic_fits(topic, size) &&
           !topic_reserved(topic, size, TOPIC_PUBLISH);
}
