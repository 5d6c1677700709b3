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

/*
 * The server that devices connect to. The host zeroes it and sets `struct_size`; the plugin sets
 * the members that it knows and that lie within that size. Texts are in the call's arena.
 */
struct iotify_endpoint {
    uint32_t struct_size;
    uint16_t port;    /* never 0 */
    const char *host; /* name or address */
    const char *ca;   /* a file of root certificates; NULL: those of the system */
    const char *alpn; /* the TLS application protocol that it wants on this port; NULL: none */
    /* Messages per second that it accepts per connection and above which it drops; 0: no limit. */
    double publish_rate;
    size_t payload_max; /* bytes; larger payloads are not sent; 0: no limit */
};

/* One permission that a run needs. The connector defines the meaning of the two texts. */
struct iotify_permission {
    const char *action, *resource;
};

/* What a device asks of the endpoint. */
enum iotify_request {
    IOTIFY_REQUEST_CONNECT = 1,
    IOTIFY_REQUEST_PUBLISH,
    IOTIFY_REQUEST_SUBSCRIBE
};

struct iotify_connector {
    uint32_t struct_size;       /* sizeof(struct iotify_connector) as the plugin was built */
    uint32_t write_size;        /* sizeof(struct iotify_write), for glob_apply and record_set */
    uint32_t record_write_size; /* sizeof(struct iotify_record_write), for records_write */
    enum iotify_threads threads;

    /*
     * Create an instance when the job is loaded. `options` is the plugin's option structure and
     * outlives the instance. Offline: must not write files or send anything. Main thread, as all
     * functions here but rate(). Errors: IOTIFY_RESULT_INVALID after host->fail_setting(); others.
     */
    enum iotify_result (*open)(struct iotify_call *call, const void *options, void **instance);
    /* Free the instance. The host has no other call in progress. */
    void (*close)(void *instance);

    /*
     * Called once per run before the first action: find credentials and determine their account.
     * `realm`, in the call's arena, names account and region ("123456789012/eu-central-1"); the
     * host keeps the records of each realm separately. At most 128 bytes of letters, digits and
     * `/-_.`. May block. An error (such as IOTIFY_RESULT_DENIED) ends the step.
     */
    enum iotify_result (*connect)(void *instance, struct iotify_call *call, const char **realm);

    /*
     * Return the endpoint for devices that speak `protocol`, a name that a transport lists in its
     * `protocols` ("mqtts", "https"): the defaults of a template that names no host. Called after
     * connect(); may block. IOTIFY_RESULT_NOT_FOUND: it has none for this protocol. May be NULL:
     * the connector has no endpoints.
     */
    enum iotify_result (*endpoint)(void *instance, struct iotify_call *call, const char *protocol,
        struct iotify_endpoint *out);

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
     * devices share. Members of `host` refer to the device whose function is running.
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

    /*
     * Why the service refuses a request of the device `call->client`, as far as the job's own steps
     * tell; NULL: it does not, or that is not known. `client_id` is that of the connection, NULL
     * for a transport without client ids; `topic` is a filter for IOTIFY_REQUEST_SUBSCRIBE, and
     * NULL for IOTIFY_REQUEST_CONNECT. The text is a phrase in the call's arena. Offline; any
     * thread. May be NULL.
     */
    const char *(*refused)(void *instance, struct iotify_call *call, enum iotify_request request,
        const char *client_id, const char *topic);
};

/* Initialiser of the sizes in struct iotify_connector. */
#define IOTIFY_CONNECTOR_SIZES                                                                     \
    .struct_size = sizeof(struct iotify_connector), .write_size = sizeof(struct iotify_write),     \
    .record_write_size = sizeof(struct iotify_record_write)

#ifdef __cplusplus
}
#endif

#endif
