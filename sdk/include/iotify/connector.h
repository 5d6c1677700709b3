/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connector plugins: they put devices on a cloud and take them away again, by the actions that
 * their descriptor declares.
 */
#ifndef IOTIFY_CONNECTOR_H
#define IOTIFY_CONNECTOR_H

#include <iotify/host.h>
#include <iotify/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where devices connect. */
struct iotify_endpoint {
    const char *host; /* in the call's arena */
    uint16_t port;
    /* Messages a second that it takes on one connection, and drops beyond; 0: as many as come. */
    double publish_rate;
};

/* One thing that the caller must be allowed to do; what the words mean is the connector's. */
struct iotify_permission {
    const char *action, *resource;
};

struct iotify_connector {
    uint32_t struct_size;
    enum iotify_threads threads;

    /* Make an instance. Offline: no file is written, nothing is sent. */
    enum iotify_result (*open)(struct iotify_call *call, const void *options, void **instance);
    void (*close)(void *instance);

    /*
     * Once before the first apply(): find credentials and learn whose resources these are.
     * `realm`, in the call's arena, names account and region ("123456789012/eu-central-1"); the
     * records are kept apart by it. At most 128 bytes of letters, digits and `/-_.`.
     */
    enum iotify_result (*connect)(void *instance, struct iotify_call *call, const char **realm);

    /* The endpoint for devices: the default of a template's `host` and `port`. After connect(). */
    enum iotify_result (*endpoint)(
        void *instance, struct iotify_call *call, struct iotify_endpoint *out);

    /*
     * How often an operation may be called, in calls a second; 0: as often as one likes. `known`
     * says whether that is the limit of this account, or only a guess to begin with: the host
     * feels its way beyond a guess, never beyond a limit. After connect(), once an operation.
     */
    double (*rate)(void *instance, const char *operation, bool *known);

    /* Tell by host->permit() what every run needs, whatever its steps. Offline; may be NULL. */
    void (*permit)(void *instance, struct iotify_call *call);

    /*
     * The document that grants `permissions`, `count` of them without repetition, as text in the
     * call's arena for the user to paste. Offline.
     */
    enum iotify_result (*grant)(void *instance, struct iotify_call *call,
        const struct iotify_permission *permissions, size_t count, const char **document);

    /*
     * JavaScript for the templates of jobs with this connector; NULL: none. A function expression
     * that gets a host and returns an object, whose members are in scope of all functions:
     *
     *     publish(topic, payload)  send a message of the device whose turn it is
     *     listen(call)             call(topic, payload) sees each message of a device before
     *                              response() does, and keeps it from it by returning true
     *     wait(seconds, what)      {promise, resolve, reject}, rejected when the time is over
     *     clientId()               the client id of the device
     *     slot()                   a small number of its own
     *     now()                    seconds of a monotonic clock
     *     measure(name, value)     as metric.add() of templates
     *     random()                 as Math.random() of templates
     *
     * It runs in every script machine; nothing of the machine is known to the plugin. Since 1.3.
     */
    const char *helpers;
};

#ifdef __cplusplus
}
#endif

#endif
