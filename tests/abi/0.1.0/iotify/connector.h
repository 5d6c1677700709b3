/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connector plugins provision devices at a cloud service and remove them. Their actions are
 * declared in the plugin descriptor; this table holds what belongs to no single action.
 */
#ifndef IOTIFY_CONNECTOR_H
#define IOTIFY_CONNECTOR_H

#include <iotify/host.h>
#include <iotify/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The server that devices connect to. */
struct iotify_endpoint {
    const char *host; /* name or address, in the call's arena */
    uint16_t port;
    /* Messages per second that it accepts per connection and above which it drops; 0: no limit. */
    double publish_rate;
};

/* One permission that a run needs. The connector defines the meaning of the two texts. */
struct iotify_permission {
    const char *action, *resource;
};

struct iotify_connector {
    uint32_t struct_size;
    enum iotify_threads threads;

    /*
     * Create an instance when the job is loaded. `options` is the plugin's option structure and
     * outlives the instance. Offline: must not write files or send anything. Main thread, as all
     * functions here but rate(). Errors: IOTIFY_INVALID after host->fail_setting(); others.
     */
    enum iotify_result (*open)(struct iotify_call *call, const void *options, void **instance);
    /* Free the instance. The host has no other call in progress. */
    void (*close)(void *instance);

    /*
     * Called once per run before the first action: find credentials and determine their account.
     * `realm`, in the call's arena, names account and region ("123456789012/eu-central-1"); the
     * host keeps the records of each realm separately. At most 128 bytes of letters, digits and
     * `/-_.`. May block. An error (such as IOTIFY_DENIED) ends the step.
     */
    enum iotify_result (*connect)(void *instance, struct iotify_call *call, const char **realm);

    /*
     * Return the endpoint for devices: the default host and port of a template that names no host.
     * Called after connect(); may block. NULL: the connector has no endpoint.
     */
    enum iotify_result (*endpoint)(
        void *instance, struct iotify_call *call, struct iotify_endpoint *out);

    /*
     * Return how often `operation` may be called, in calls per second; 0: no limit. Set `known` to
     * true when this is the limit of the account, to false when it is an initial guess: the host
     * probes rates above a guess, but never exceeds a limit. Called once per operation, before its
     * first host->perform(), also from inside connect(). Any thread; must not block. NULL: 0.
     */
    double (*rate)(void *instance, const char *operation, bool *known);

    /* Report with host->permit() the permissions that every run needs. Offline; may be NULL. */
    void (*permit)(void *instance, struct iotify_call *call);

    /*
     * Build the document that grants `count` permissions, as text in the call's arena for the user
     * to paste. They are distinct and sorted by resource, then action. Offline. NULL: none needed.
     */
    enum iotify_result (*grant)(void *instance, struct iotify_call *call,
        const struct iotify_permission *permissions, size_t count, const char **document);

    /*
     * JavaScript for the templates of jobs with this connector; NULL: none. The text is a function
     * expression that takes an object `host` and returns an object; the members of that object
     * become global names in the template. It is evaluated once in each context, which many
     * devices share. Members of `host` refer to the device whose function is running. Since 1.3.
     *
     *     publish(topic, payload)  send a message
     *     listen(call)             call(topic, payload) gets each received message before the
     *                              template's response(); when it returns true, response() is
     *                              not called
     *     wait(seconds, what)      {promise, resolve, reject}; rejected after `seconds`
     *     clientId()               the client id of the connection settings
     *     slot()                   a small integer that identifies the device in this context
     *     now()                    a monotonic clock, in seconds
     *     measure(name, value)     as metric.add() in templates
     *     random()                 as Math.random() in templates
     */
    const char *helpers;
};

#ifdef __cplusplus
}
#endif

#endif
