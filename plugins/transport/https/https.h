/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings, channels and sessions of the HTTPS transport. A channel and its sessions are used on
 * the thread of the channel's loop only.
 */
#ifndef PLUGINS_TRANSPORT_HTTPS_HTTPS_H
#define PLUGINS_TRANSPORT_HTTPS_HTTPS_H

#include <curl/curl.h>

#include <iotify/buffer.h>
#include <iotify/transport.h>

#define SECOND INT64_C(1000000000)

struct https_connection {
    const char *host, *url, *method, *headers, *version;
    const char *client_id, *key, *cert, *ca, *alpn, *username, *password;
    int64_t port, timeout, keepalive;
    bool tls, verify, shared_client_id, clean_session;
};

struct https_publish {
    const char *topic;
    int64_t qos;
    bool retain;
};

extern const struct iotify_settings https_connection_settings;
extern const struct iotify_settings https_publish_settings;

/* A message that waits for its turn, or for its answer. */
struct https_entry {
    struct https_entry *next;
    uint64_t token;
    size_t size;
    char *topic; /* behind the payload, in the same memory */
    char *query; /* of a topic's address: "?qos=1" */
    char payload[];
};

struct https_channel {
    const struct iotify_loop *loop;
    const struct iotify_session_events *events;
    CURLM *multi;
    struct iotify_timer *timer; /* of libcurl */
};

enum https_state { HTTPS_IDLE, HTTPS_RESOLVING, HTTPS_CONNECTING, HTTPS_OPEN };

/* What happened inside of a call of the host, and is reported from the loop. */
enum https_pending { HTTPS_NOTHING, HTTPS_CLOSED, HTTPS_BROKEN };

struct https_session {
    struct https_channel *channel;
    void *user;
    CURL *easy;
    CURLSH *share;     /* keeps the connection of this session from others; NULL: none yet */
    char *alpn;        /* NULL: libcurl chooses */
    char *host, *base; /* to connect to; the address of all messages, or what topics are added to */
    uint16_t port;
    bool by_topic;                 /* the topic is part of the address */
    struct curl_slist *headers;    /* of each message */
    struct curl_slist *connect_to; /* the address that the name has now */
    struct iotify_lookup *lookup;
    struct iotify_watch *watch; /* while the session connects */
    struct iotify_timer *timer; /* the time limit of that, and events that wait for the loop */
    struct https_entry *first, **last;
    struct iotify_buffer answer, fields; /* the body; the header lines, each with a NUL */
    size_t queued;                       /* bytes of the payloads */
    int64_t timeout, began, paused_until;
    int64_t retry_after; /* seconds that the answer asks for; 0: none */
    char error[CURL_ERROR_SIZE];
    int descriptor;  /* connected, for libcurl to use; -1: none */
    uint32_t resent; /* messages that were in the queue when it connected */
    uint8_t state;   /* enum https_state */
    uint8_t pending; /* enum https_pending */
    bool active;     /* libcurl has the first message */
};

/* connection.c: the functions of struct iotify_transport of the same names. */
void https_session_connect(void *session);
void https_session_disconnect(void *session);
/* Close the connection, and report it; from the loop only. */
void https_session_end(struct https_session *session, enum iotify_close reason, const char *text);
/* Give up what connects, without an event. */
void https_forget(struct https_session *session);

/* request.c */
enum iotify_result https_session_publish(void *session, struct iotify_call *call,
    const void *publish, struct iotify_bytes payload, uint64_t token);
/* Give the first message to libcurl, unless one is under way. */
void https_start(struct https_session *session);
/* Report from the loop that libcurl cannot go on with the session. */
void https_break(struct https_session *session);
/* A connection of the session's own, for what follows; false without memory. */
bool https_begin_connection(struct https_session *session);
/* Close it. */
void https_end_connection(struct https_session *session);
/* Take it back; it stays in the queue. */
void https_stop(struct https_session *session);
void https_drop_requests(struct https_session *session);
/* Set what all messages of the session have in common; false without memory. */
bool https_prepare(struct https_session *session, const struct https_connection *connection);
/* libcurl is done with a message of one of the channel's sessions. */
void https_take_results(struct https_channel *channel);

#endif
