/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job's store: one instance of a storage plugin, with the entries of the glob (the key-value
 * store of the scripts), the connectors' records and the job's own notes. Each kind has its own key
 * prefix, so that scripts and `glob list` see only the glob. Glob and records are sealed (seal.h).
 * Writes of several threads are grouped into one commit. All functions are safe on any thread and
 * block until the storage has answered; on failure `call` has the message.
 */
#ifndef CORE_STORE_STORE_H
#define CORE_STORE_STORE_H

#include "core/plugin/call.h"
#include "core/plugin/registry.h"
#include "core/store/seal.h"

struct store;

/* Open the store. store_close() closes it; no call may be in progress then. */
enum iotify_result store_open(
    struct call *call, const struct plugin *plugin, const void *options, struct store **out);
void store_close(struct store *store);

/*
 * Read the seal that the store was made with, or with `make` create one for a new store; nothing
 * can be written without. Call it before any entry except notes is read or written. A store that is
 * not durable has no seal. Also wipes the secrets: see seal_forget().
 */
enum iotify_result store_unseal(
    struct store *store, struct call *call, const struct seal_settings *settings, bool make);

/*
 * Ask the storage whether writes survive what it promises, where that depends on a server; an error
 * says why not. Blocks.
 */
enum iotify_result store_verify_durability(struct store *store, struct call *call);
/* True when a write survives a power loss. */
bool store_durable(const struct store *store);

/*
 * The store's key of a glob entry, a record or a note, in the call's arena. NULL after a message
 * when it is too long.
 */
const char *store_glob_key(struct call *call, const char *key);
const char *store_record_key(
    struct call *call, const char *alias, const char *realm, int64_t client);
/* The key of the connector's record about the whole job. */
const char *store_job_record_key(struct call *call, const char *alias, const char *realm);
const char *store_note_key(struct call *call, const char *name);

/* Read one value into the call's arena; IOTIFY_RESULT_NOT_FOUND when absent. */
enum iotify_result store_get(
    struct store *store, struct call *call, const char *key, struct iotify_bytes *out);
/*
 * Read several values, up to 128 in one read of the storage; keys are the store's. A missing key is
 * not an error.
 */
enum iotify_result store_get_many(
    struct store *store, struct call *call, struct iotify_read *reads, size_t count);
/* See iotify_storage.apply; keys are the store's. Each write's result is in writes[i].result. */
enum iotify_result store_apply(
    struct store *store, struct call *call, struct iotify_write *writes, size_t count);

/* Call `found` for the glob keys that begin with `prefix`, sorted, at most `limit`. */
enum iotify_result store_list_glob(struct store *store, struct call *call, const char *prefix,
    size_t limit, void (*found)(void *argument, const char *key), void *argument);
/* Find an alias, not one of `aliases`, that has records in the store; NULL when there is none. */
enum iotify_result store_find_alias(struct store *store, struct call *call,
    const char *const *aliases, size_t count, const char **other);
/* The clients that have a record of this connector, in ascending order, in the call's arena. */
enum iotify_result store_list_records(struct store *store, struct call *call, const char *alias,
    const char *realm, int64_t **clients, size_t *count);
/* Call `found` for each of these records until it fails; see iotify_host.records. */
enum iotify_result store_each_record(struct store *store, struct call *call, const char *alias,
    const char *realm,
    enum iotify_result (*found)(void *argument, const struct iotify_record *record),
    void *argument);

#endif
