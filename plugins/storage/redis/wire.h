/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to a Redis or Valkey server: by TCP, TLS or a socket of this machine. hiredis makes
 * and reads the protocol; all waits end at the time-out and when the run is stopped. One thread at
 * a time uses a connection.
 */
#ifndef PLUGINS_STORAGE_REDIS_WIRE_H
#define PLUGINS_STORAGE_REDIS_WIRE_H

#include <hiredis/hiredis.h>

#include <iotify/host.h>

enum redis_durability { REDIS_STRICT, REDIS_WEAKER };

struct redis_options {
    const char *host, *socket, *username, *password, *prefix, *ca, *cert, *key;
    int64_t port, database, timeout;
    bool tls;
    int durability; /* enum redis_durability */
};

/* settings.c: the table of the settings, and check() of struct iotify_storage. */
extern const struct iotify_settings redis_settings;
enum iotify_result redis_check(struct iotify_call *call, const void *options);

struct wire;

/*
 * Connect, and present name, password and database. IOTIFY_RESULT_TRANSIENT: the server cannot be
 * reached, or is loading; IOTIFY_RESULT_DENIED: it refuses the password; others with a message.
 * `options` outlives the connection. Blocks.
 */
enum iotify_result redis_wire_open(
    struct iotify_call *call, const struct redis_options *options, struct wire **out);
void redis_wire_close(struct wire *wire);
/* True after a failure in the connection: it is of no further use. */
bool redis_wire_is_broken(const struct wire *wire);

/*
 * Send one command and wait for its answer, which the caller frees with freeReplyObject(). An error
 * of the server is the failure of the call, by its name. Blocks.
 */
enum iotify_result redis_wire_ask(struct wire *wire, struct iotify_call *call, int count,
    const char **words, const size_t *sizes, redisReply **answer);
/* As redis_wire_ask(), for words that are texts; the last one is NULL. */
enum iotify_result redis_wire_ask_text(
    struct wire *wire, struct iotify_call *call, redisReply **answer, ...);

#endif
