/*
 * The job's store: one storage plugin instance that holds the glob, the connectors' device
 * records and the job's own notes, each under a prefix of its own so that scripts and
 * `glob list` see the glob only. Writes of many threads are grouped into one commit.
 * All functions are safe on any thread and block for the storage.
 */
#ifndef CORE_STORE_STORE_H
#define CORE_STORE_STORE_H

#include "core/plugin/call.h"
#include "core/plugin/registry.h"

struct store;

/* Open. `call` tells why not. Close with store_close(); nothing may be under way then. */
enum iotify_result store_open(
    struct call *call, const struct plugin *plugin, const void *options, struct store **out);
void store_close(struct store *store);

/* Does a write survive a loss of power? */
bool store_durable(const struct store *store);

/* The store's key of a glob entry, a record or a note; in the call's arena. NULL: too long. */
const char *store_glob_key(struct call *call, const char *key);
const char *store_record_key(
    struct call *call, const char *alias, const char *realm, int64_t client);
const char *store_note_key(struct call *call, const char *name);

/* One value; IOTIFY_NOT_FOUND when absent. */
enum iotify_result store_get(
    struct store *store, struct call *call, const char *key, struct iotify_bytes *out);
/* See iotify_storage.apply; keys are the store's. */
enum iotify_result store_apply(
    struct store *store, struct call *call, struct iotify_write *writes, size_t count);

/* Call `found` for each glob key, sorted. */
enum iotify_result store_list_glob(struct store *store, struct call *call,
    void (*found)(void *argument, const char *key), void *argument);
/* The clients that have a record of this connector, in the call's arena, ascending. */
enum iotify_result store_list_records(struct store *store, struct call *call, const char *alias,
    const char *realm, int64_t **clients, size_t *count);

#endif
