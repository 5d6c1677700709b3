/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport plugins carry messages between simulated devices and their endpoint.
 *
 * A transport has no thread of its own and never blocks. The host provides the event loops. On
 * each loop the plugin creates one channel (`engine` in the names below), and on a channel any
 * number of sessions. All calls and events of a channel happen on the thread of its loop; different
 * channels of an instance are used by different threads at the same time.
 *
 * Life of a session: session_new → session_connect → event connected → session_publish … →
 * session_disconnect → event closed → session_free. After `closed` the host may call
 * session_connect again. The plugin delivers events from the loop only, never while the host is
 * inside one of its functions, so that a session does not change during a call.
 */
#ifndef IOTIFY_TRANSPORT_H
#define IOTIFY_TRANSPORT_H

#include <iotify/host.h>
#include <iotify/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOTIFY_READABLE 1
#define IOTIFY_WRITABLE 2
#define IOTIFY_ERRORED 4 /* reported without being requested: error or hang-up */

struct iotify_watch;
struct iotify_timer;

/*
 * The host's event loop. All functions may be called on the loop's thread only, and call back on
 * it. Times are in nanoseconds.
 */
struct iotify_loop {
    uint32_t struct_size;
    int64_t (*now)(const struct iotify_loop *loop); /* CLOCK_MONOTONIC */

    /*
     * Call `ready` repeatedly as long as one of `events` holds for the descriptor
     * (level-triggered). IOTIFY_ERRORED, and IOTIFY_READABLE after the peer's end of stream, are
     * reported even when not in `events`. The caller owns the watch; NULL when the descriptor
     * cannot be watched.
     */
    struct iotify_watch *(*watch)(const struct iotify_loop *loop, int descriptor, int events,
        void (*ready)(void *argument, int events), void *argument);
    /* Replace the requested events. */
    void (*rewatch)(struct iotify_watch *watch, int events);
    /* Free the watch; `ready` is not called again. Required before the descriptor is closed. */
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
     * callback. Addresses are cached for a minute and used in turn when a name has several. A
     * request cannot be cancelled: `argument` must live until `done`, which may come after the
     * channel was freed.
     */
    void (*resolve)(const struct iotify_loop *loop, const char *host,
        void (*done)(void *argument, const char *address, const char *error), void *argument);
};

/* Why a session closed. */
enum iotify_close {
    IOTIFY_CLOSED_BY_US = 0,   /* session_disconnect or session_drop */
    IOTIFY_CLOSED_BY_PEER,     /* the server ended an established session */
    IOTIFY_CLOSED_UNREACHABLE, /* no connection */
    IOTIFY_CLOSED_TLS,         /* handshake or certificate */
    IOTIFY_CLOSED_REFUSED,     /* the server rejected the session */
    IOTIFY_CLOSED_TIMEOUT,
    IOTIFY_CLOSED_PROTOCOL,
    IOTIFY_CLOSED_SUBSCRIPTION, /* refused, or not confirmed in time */
    IOTIFY_CLOSED_LOCAL         /* this host has no descriptor, port or memory left */
};

/* The phases of one connect, in nanoseconds, and its outcome. */
struct iotify_connect_times {
    int64_t tcp;     /* from session_connect, with the name lookup, until TCP is connected */
    int64_t tls;     /* 0 without TLS */
    int64_t session; /* until the server has accepted the session and its subscriptions */
    bool resumed;    /* the TLS handshake was abbreviated */
    uint32_t resent; /* messages of earlier connections that are sent again */
};

/*
 * Events, which the plugin calls on the loop's thread. `user` is the pointer given to session_new.
 * Texts and payloads are valid during the event only.
 */
struct iotify_session_events {
    uint32_t struct_size;
    void (*connected)(void *user, const struct iotify_connect_times *times);
    void (*acknowledged)(void *user, uint64_t token);
    void (*message)(void *user, const char *topic, struct iotify_bytes payload);
    /* `text`: the cause, one line. The last event until session_connect is called again. */
    void (*closed)(void *user, enum iotify_close reason, const char *text);
    /*
     * A message whose quality of service has no acknowledgement was not written before the session
     * closed, and will not be sent. Comes before `closed`.
     */
    void (*lost)(void *user, uint64_t token);
};

struct iotify_transport {
    uint32_t struct_size;

    /*
     * The settings of a template's `connection:` and `publish:` mappings. The host evaluates those
     * flagged IOTIFY_EXPRESSION for each device before it passes them on. Where the template names
     * no host, the settings with IOTIFY_ROLE_HOST and IOTIFY_ROLE_PORT are set to the connector's
     * endpoint; a port that the template names is kept.
     */
    const struct iotify_settings *connection;
    const struct iotify_settings *publish;

    /*
     * Create an instance for one simulate step. `options` is the plugin's option structure and
     * outlives the instance. No network traffic. Main thread. Errors: any, with host->fail().
     */
    enum iotify_result (*open)(struct iotify_call *call, const void *options, void **instance);
    /* Free the instance, after all its channels. Main thread. */
    void (*close)(void *instance);

    /* Create a channel on `loop`. `loop` and `events` outlive it. */
    enum iotify_result (*engine_new)(void *instance, struct iotify_call *call,
        const struct iotify_loop *loop, const struct iotify_session_events *events, void **engine);
    void (*engine_free)(void *engine); /* called after all its sessions were freed */

    /*
     * Check the settings and create a session, without network traffic. `connection` is an option
     * structure of the settings above; it, `subscriptions` and their texts are valid during the
     * call only. `user` is passed to the events. Errors: IOTIFY_INVALID, IOTIFY_FULL.
     */
    enum iotify_result (*session_new)(void *engine, struct iotify_call *call,
        const void *connection, const char *const *subscriptions, size_t subscription_count,
        void *user, void **session);

    /* Start to connect and subscribe; `connected` or `closed` follows. */
    void (*session_connect)(void *session);

    /*
     * Queue a message; the payload is copied. `acknowledged` with `token` follows when the server
     * has acknowledged it, or, without acknowledgement (QoS 0), when it is written to the socket.
     * Tokens of a session ascend. Errors: IOTIFY_INVALID, the message can never be sent;
     * IOTIFY_TRANSIENT, the session is not connected; IOTIFY_FULL, no memory. No event follows an
     * error. When a session closes, messages not yet acknowledged are kept and sent again after the
     * next session_connect; those without acknowledgement are reported with `lost`.
     */
    enum iotify_result (*session_publish)(void *session, struct iotify_call *call,
        const void *publish, struct iotify_bytes payload, uint64_t token);

    /* Close the session with the protocol's farewell; `closed` follows unless it is closed. */
    void (*session_disconnect)(void *session);

    /* Free the session in any state, but not inside one of its events. No event follows. */
    void (*session_free)(void *session);

    /*
     * End the connection without the protocol's farewell, as a network failure would. `closed`
     * with IOTIFY_CLOSED_BY_US follows unless the session is closed.
     */
    void (*session_drop)(void *session);

    /* The number of queued messages that are not yet completely written to the socket. */
    size_t (*session_unwritten)(const void *session);
};

#ifdef __cplusplus
}
#endif

#endif
