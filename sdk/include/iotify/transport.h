/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport plugins: they carry messages between simulated devices and their endpoint.
 *
 * A transport has no thread of its own and never blocks. The host gives a loop; the plugin makes
 * one engine on each loop and any number of sessions on an engine. All calls and all events of
 * an engine happen on its loop's thread.
 *
 * Life of a session: session_new → session_connect → event connected → session_publish … →
 * session_disconnect → event closed → session_free. After `closed` the host may call
 * session_connect again. Events come from the loop, never from inside a call of the host, so a
 * caller never finds its session changed underneath it.
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
#define IOTIFY_ERRORED 4 /* reported only: error or hang-up */

struct iotify_watch;
struct iotify_timer;

/* The host's event loop. All functions on the loop's thread only. Times in nanoseconds. */
struct iotify_loop {
    uint32_t struct_size;
    int64_t (*now)(const struct iotify_loop *loop); /* CLOCK_MONOTONIC */

    /* Call `ready` while one of `events` holds for the descriptor. NULL when that is impossible. */
    struct iotify_watch *(*watch)(const struct iotify_loop *loop, int descriptor, int events,
        void (*ready)(void *argument, int events), void *argument);
    void (*rewatch)(struct iotify_watch *watch, int events);
    /* Before the descriptor is closed. */
    void (*unwatch)(struct iotify_watch *watch);

    /* A timer fires once after each start; starting it again moves it. */
    struct iotify_timer *(*timer_new)(
        const struct iotify_loop *loop, void (*fire)(void *argument), void *argument);
    void (*timer_start)(struct iotify_timer *timer, int64_t delay);
    void (*timer_stop)(struct iotify_timer *timer);
    void (*timer_free)(struct iotify_timer *timer);

    /*
     * Look a host name up without blocking; the answer is kept for a minute, and callers take
     * turns with the addresses of a name that has several. `done` comes
     * later, from the loop: `address` in numbers, or NULL and `error`, one line. It cannot be
     * taken back: `argument` must live until then.
     */
    void (*resolve)(const struct iotify_loop *loop, const char *host,
        void (*done)(void *argument, const char *address, const char *error), void *argument);
};

/* Why a session closed. */
enum iotify_close {
    IOTIFY_CLOSED_BY_US = 0,
    IOTIFY_CLOSED_BY_PEER,
    IOTIFY_CLOSED_UNREACHABLE, /* no connection */
    IOTIFY_CLOSED_TLS,         /* handshake or certificate */
    IOTIFY_CLOSED_REFUSED,     /* the server said no */
    IOTIFY_CLOSED_TIMEOUT,
    IOTIFY_CLOSED_PROTOCOL,
    IOTIFY_CLOSED_SUBSCRIPTION, /* refused, or never confirmed */
    IOTIFY_CLOSED_LOCAL         /* this machine has no descriptor, port or memory left */
};

/* Parts of one connect, each a duration in nanoseconds, and what came along with it. */
struct iotify_connect_times {
    int64_t tcp;
    int64_t tls;     /* 0 without TLS */
    int64_t session; /* until the server accepted the session and its subscriptions */
    bool resumed;    /* by an abbreviated TLS handshake */
    uint32_t resent; /* messages of earlier connections that are sent once more */
};

/* `user` is what session_new was given. */
struct iotify_session_events {
    uint32_t struct_size;
    void (*connected)(void *user, const struct iotify_connect_times *times);
    void (*acknowledged)(void *user, uint64_t token);
    void (*message)(void *user, const char *topic, struct iotify_bytes payload);
    /* `text`: one line, valid during the event. Nothing follows it but what connect starts. */
    void (*closed)(void *user, enum iotify_close reason, const char *text);
    /*
     * A message without acknowledgement was not written before the session closed, and will not
     * be. Comes before `closed`.
     */
    void (*lost)(void *user, uint64_t token);
};

struct iotify_transport {
    uint32_t struct_size;

    /*
     * What a template's `connection:` and `publish:` mappings take. All settings flagged
     * IOTIFY_EXPRESSION are expanded for each client before the plugin sees them. Settings named
     * `host` and `port` get the connector's endpoint where the template names no host; a port that
     * it names stays.
     */
    const struct iotify_settings *connection;
    const struct iotify_settings *publish;

    /* Offline; reads files that the settings name. */
    enum iotify_result (*open)(struct iotify_call *call, const void *options, void **instance);
    void (*close)(void *instance);

    enum iotify_result (*engine_new)(void *instance, struct iotify_call *call,
        const struct iotify_loop *loop, const struct iotify_session_events *events, void **engine);
    void (*engine_free)(void *engine); /* after all its sessions */

    /*
     * Check the settings and make a session, without network traffic. The plugin copies what it
     * keeps: `connection` and `subscriptions` are valid during the call only.
     */
    enum iotify_result (*session_new)(void *engine, struct iotify_call *call,
        const void *connection, const char *const *subscriptions, size_t subscription_count,
        void *user, void **session);

    /* Start to connect; `connected` or `closed` follows. */
    void (*session_connect)(void *session);

    /*
     * Hand a message over. `acknowledged` with `token` follows when the server has it (or, where
     * the quality of service has no answer, when it is written). IOTIFY_INVALID: it can never be
     * sent; IOTIFY_TRANSIENT: not connected. The payload is copied. What the server has not
     * acknowledged when a session closes is sent again after the next session_connect, unless
     * its quality of service has no acknowledgement: then `lost` tells. Tokens of a session
     * ascend.
     */
    enum iotify_result (*session_publish)(void *session, struct iotify_call *call,
        const void *publish, struct iotify_bytes payload, uint64_t token);

    /* Leave in good order; `closed` follows. */
    void (*session_disconnect)(void *session);

    /* Any time but inside an event of the session; no event follows. */
    void (*session_free)(void *session);

    /*
     * End the connection without a goodbye, as a failing network would; `closed` follows with
     * IOTIFY_CLOSED_BY_US.
     */
    void (*session_drop)(void *session);

    /* How many of the messages handed over have not left this machine yet, at least in part. */
    size_t (*session_unwritten)(const void *session);
};

#ifdef __cplusplus
}
#endif

#endif
