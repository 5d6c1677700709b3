/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport plugins carry messages between simulated devices and their endpoint.
 *
 * A transport never blocks. The host provides the event loops. On each loop the plugin creates one
 * channel, and on a channel any number of sessions. All calls and events of a channel happen on the
 * thread of its loop; different channels of an instance are used by different threads at the same
 * time. A library with threads of its own hands its results to the loop with loop->post().
 *
 * Life of a session: session_new → session_connect → event connected → session_publish … →
 * session_disconnect → event closed → session_free. After `closed` the host may call
 * session_connect again; while a session is not closed, the plugin ignores session_connect. The
 * plugin delivers events from the loop only, never while the host is inside one of its functions,
 * so that a session does not change during a call. Inside an event the host may call any function
 * for any session of the channel, but session_free only for others; the texts and the payload of
 * the event stay valid until it returns.
 *
 * All calls are offline: see iotify/host.h.
 */
#ifndef IOTIFY_TRANSPORT_H
#define IOTIFY_TRANSPORT_H

#include <iotify/host.h>
#include <iotify/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Events of a descriptor; a set. */
#define IOTIFY_EVENT_READABLE 1
#define IOTIFY_EVENT_WRITABLE 2
#define IOTIFY_EVENT_ERROR 4 /* reported without being requested: error or hang-up */

struct iotify_watch;
struct iotify_timer;
struct iotify_lookup;

/*
 * The host's event loop. All functions but post() may be called on the loop's thread only, and all
 * call back on it. Times are in nanoseconds.
 */
struct iotify_loop {
    uint32_t struct_size;                           /* sizeof(struct iotify_loop) of the host */
    int64_t (*now)(const struct iotify_loop *loop); /* CLOCK_MONOTONIC */

    /*
     * Call `ready` repeatedly as long as one of `events` holds for the descriptor
     * (level-triggered), with those that hold. IOTIFY_EVENT_ERROR is reported even when not in
     * `events`; the end of the peer's stream is IOTIFY_EVENT_READABLE. The caller owns the watch;
     * NULL when the descriptor cannot be watched.
     */
    struct iotify_watch *(*watch)(const struct iotify_loop *loop, int descriptor, int events,
        void (*ready)(void *argument, int events), void *argument);
    /* Replace the requested events. */
    void (*rewatch)(struct iotify_watch *watch, int events);
    /*
     * Free the watch; `ready` is not called again. Required before the descriptor is closed, or,
     * where a library closes it, before another one is opened.
     */
    void (*unwatch)(struct iotify_watch *watch);

    /*
     * A timer calls `fire` once after each timer_start(), `delay` nanoseconds later (0 or less: in
     * the next turn of the loop). Starting a running timer restarts it. timer_new() returns a
     * stopped timer, never NULL, that the caller frees with timer_free(), also inside `fire`.
     */
    struct iotify_timer *(*timer_new)(
        const struct iotify_loop *loop, void (*fire)(void *argument), void *argument);
    void (*timer_start)(struct iotify_timer *timer, int64_t delay);
    void (*timer_stop)(struct iotify_timer *timer);
    void (*timer_free)(struct iotify_timer *timer);

    /*
     * Resolve a host name without blocking. The loop calls `done` once, never inside resolve(),
     * with a numeric `address`, or with NULL and `error`, one line; both are valid during the
     * callback. Addresses are cached for a minute, or for a second once a session could not
     * connect, and used in turn when a name has several. The handle is valid until `done` begins;
     * a channel cancels its lookups before channel_free() returns.
     */
    struct iotify_lookup *(*resolve)(const struct iotify_loop *loop, const char *host,
        void (*done)(void *argument, const char *address, const char *error), void *argument);
    /* Free a lookup; `done` is not called. */
    void (*resolve_cancel)(struct iotify_lookup *lookup);

    /*
     * Log one line, without prefix or line end, outside of a call; the host adds time, job and
     * step, and the device of `user`, a session's, where that is not NULL.
     */
    void (*log)(const struct iotify_loop *loop, void *user, enum iotify_level level,
        const char *format, ...) IOTIFY_PRINTF(4, 5);

    /*
     * Run `function` on the loop's thread, in the order of the calls, never inside post(). Any
     * thread, as long as the channel exists. What is posted before the sessions are freed runs
     * before that; what is posted later may run until channel_free() is called, and must not refer
     * to a session; what is posted during channel_free() is discarded.
     */
    void (*post)(const struct iotify_loop *loop, void (*function)(void *argument), void *argument);
};

/* Why a session closed. */
enum iotify_close {
    IOTIFY_CLOSED_BY_US = 1,   /* session_disconnect or session_drop */
    IOTIFY_CLOSED_BY_PEER,     /* the server ended an established session */
    IOTIFY_CLOSED_UNREACHABLE, /* no connection */
    IOTIFY_CLOSED_TLS,         /* handshake or certificate */
    IOTIFY_CLOSED_REFUSED,     /* the server rejected the session */
    IOTIFY_CLOSED_TIMEOUT,
    IOTIFY_CLOSED_PROTOCOL,
    IOTIFY_CLOSED_SUBSCRIPTION, /* refused, or not confirmed in time */
    IOTIFY_CLOSED_LOCAL,        /* this host has no descriptor, port or memory left */
    IOTIFY_CLOSED_DENIED        /* rejected for good, a wrong name or password: the host does not
                                   connect this session again */
};

/* The phases of one connect, in nanoseconds, and its outcome. The plugin sets all members. */
struct iotify_connect_times {
    uint32_t struct_size; /* sizeof(struct iotify_connect_times) as the plugin was built */
    uint32_t resent;      /* messages accepted in earlier connections that are sent now */
    int64_t tcp;          /* from session_connect, with the name lookup, until TCP is connected */
    int64_t tls;          /* 0 without TLS */
    int64_t session;      /* until the server has accepted the session and its subscriptions */
    bool resumed;         /* the TLS handshake was abbreviated */
};

/* A named text of a message: a header of an HTTP answer, a user property of MQTT 5. */
struct iotify_property {
    const char *name, *value;
};

/*
 * A message from the server, or its answer to one that the session has published; an answer comes
 * before `acknowledged` or `refused` of that message.
 */
struct iotify_message {
    uint32_t struct_size;        /* sizeof(struct iotify_message) as the plugin was built */
    int32_t status;              /* of an answer: the protocol's number (HTTP: 200); 0: no answer */
    const char *topic;           /* of the message, or of the one that is answered */
    struct iotify_bytes payload; /* `data` may be NULL when `size` is 0 */
    const struct iotify_property *properties;
    uint32_t property_count;
    uint32_t property_size; /* sizeof(struct iotify_property); not used without properties */
};

/*
 * Events, which the plugin calls on the loop's thread. `user` is the pointer given to session_new.
 * Texts and payloads are valid during the event only; what a server has sent may be passed on as it
 * is: the host cleans and shortens texts. Each token that session_publish() has accepted gets
 * exactly one of acknowledged(), refused() and lost(), over all connections of the session.
 */
struct iotify_session_events {
    uint32_t struct_size; /* sizeof(struct iotify_session_events) of the host */
    void (*connected)(void *user, const struct iotify_connect_times *times);
    void (*acknowledged)(void *user, uint64_t token);
    void (*message)(void *user, const struct iotify_message *message);
    /* `text`: the cause, one line. The last event until session_connect is called again. */
    void (*closed)(void *user, enum iotify_close reason, const char *text);
    /*
     * A message whose quality of service has no acknowledgement was not written before the session
     * closed, and will not be sent. Comes before `closed`.
     */
    void (*lost)(void *user, uint64_t token);
    /*
     * The server has answered that it does not take the message, which is not sent again. The
     * session continues, unless `closed` follows. `code`: the protocol's number (HTTP 403, MQTT 5
     * 0x87), which is part of the error's name in results; 0 where there is none. `text`: the
     * cause, one line.
     */
    void (*refused)(void *user, uint64_t token, int32_t code, const char *text);
};

/* What a transport is capable of; a set. */
enum iotify_capability {
    IOTIFY_CAPABILITY_SUBSCRIBE =
        1, /* sessions take subscriptions; without, the host passes none */
    IOTIFY_CAPABILITY_ACKNOWLEDGE = 2, /* `acknowledged`: the server has the message; without, it
                                          was written to the socket */
    IOTIFY_CAPABILITY_ANSWER = 4       /* the server's answer to a message comes as `message` */
};

struct iotify_transport {
    uint32_t struct_size;  /* sizeof(struct iotify_transport) as the plugin was built */
    uint32_t capabilities; /* a set of enum iotify_capability */

    /*
     * The protocols for which the transport takes an endpoint from the connector, an array that
     * ends with NULL, the preferred one first; NULL: none. Names are those of URLs: "mqtts",
     * "mqtt", "https".
     */
    const char *const *protocols;

    /*
     * The settings of a template's `connection:` and `publish:` mappings. The host evaluates those
     * flagged IOTIFY_FLAG_EXPRESSION for each device before it passes them on. Where the template
     * names no host, the settings with IOTIFY_ROLE_HOST, PORT, CA and ALPN are set to those of the
     * connector's endpoint; what the template names is kept. Never NULL.
     */
    const struct iotify_settings *connection;
    const struct iotify_settings *publish;

    /*
     * Check the settings of a simulate step against each other, for `--check` and before open().
     * `options` as in open(); `connection` and `publish` are option structures of the settings
     * above, with expressions unevaluated. A setting is named by its path in the template,
     * "connection.cert". Offline, without side effects; main thread. Errors: IOTIFY_RESULT_INVALID
     * after host->fail_setting(). May be NULL.
     */
    enum iotify_result (*check)(
        struct iotify_call *call, const void *options, const void *connection, const void *publish);

    /*
     * Create an instance for one simulate step. `options` is the plugin's option structure and
     * outlives the instance. No network traffic. Main thread. Errors: any, with host->fail().
     */
    enum iotify_result (*open)(struct iotify_call *call, const void *options, void **instance);
    /* Free the instance, after all its channels. Main thread. */
    void (*close)(void *instance);

    /* Create a channel on `loop`. `loop` and `events` outlive it. */
    enum iotify_result (*channel_new)(void *instance, struct iotify_call *call,
        const struct iotify_loop *loop, const struct iotify_session_events *events, void **channel);
    void (*channel_free)(void *channel); /* called after all its sessions were freed */

    /*
     * Check the settings and create a session, without network traffic. `connection` is an option
     * structure of the settings above; it, `subscriptions` and their texts are valid during the
     * call only. `user` is passed to the events. Errors: IOTIFY_RESULT_INVALID, IOTIFY_RESULT_FULL.
     */
    enum iotify_result (*session_new)(void *channel, struct iotify_call *call,
        const void *connection, const char *const *subscriptions, size_t subscription_count,
        void *user, void **session);

    /*
     * Start to connect and subscribe. `connected` follows when the server has confirmed all
     * subscriptions, or else `closed`.
     */
    void (*session_connect)(void *session);

    /*
     * Queue a message; the payload, whose `data` may be NULL when it is empty, is copied.
     * `acknowledged` with `token` follows when the server has acknowledged it, or, without
     * acknowledgement (QoS 0), when it is written to the socket. Tokens of a session ascend.
     * Errors: IOTIFY_RESULT_INVALID, the message can never be sent; IOTIFY_RESULT_THROTTLED, the
     * server has asked for a pause: the host waits for as long as host->retry_after() says, and
     * hands the message over again; IOTIFY_RESULT_TRANSIENT, the session is not connected;
     * IOTIFY_RESULT_FULL, no memory. No event follows an error. When a session closes, messages not
     * yet acknowledged are kept and sent again after the next session_connect; those without
     * acknowledgement are reported with `lost`.
     */
    enum iotify_result (*session_publish)(void *session, struct iotify_call *call,
        const void *publish, struct iotify_bytes payload, uint64_t token);

    /*
     * Close the session with the protocol's farewell; `closed` follows unless it is closed. The
     * host has waited for the messages that it wants: what is not written may be given up, as when
     * a connection ends. Other events may come before `closed`. Its reason is IOTIFY_CLOSED_BY_US
     * also when the server does not answer the farewell within IOTIFY_ROLE_TIMEOUT, or closes.
     */
    void (*session_disconnect)(void *session);

    /* Free the session in any state, but not inside one of its events. No event follows. */
    void (*session_free)(void *session);

    /*
     * End the connection without the protocol's farewell, as a network failure would, at once, also
     * during a farewell. One `closed` with IOTIFY_CLOSED_BY_US follows unless the session is
     * closed.
     */
    void (*session_drop)(void *session);

    /*
     * The size in bytes of the queued payloads that are not completely written to the socket. The
     * host drops messages when it exceeds the user's limit. The count of a message that is
     * acknowledged is 0; the plugin may round up, and count others until everything is written.
     */
    size_t (*session_unwritten)(const void *session);
};

/* Initialiser of the sizes in struct iotify_transport. */
#define IOTIFY_TRANSPORT_SIZES .struct_size = sizeof(struct iotify_transport)

#ifdef __cplusplus
}
#endif

#endif
