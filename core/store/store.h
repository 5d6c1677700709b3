/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job's store: one storage plugin instance that holds the glob, the connectors' device
 * records and the job's own notes, each under a prefix of its own so that scripts and
 * `glob list` see the glob only. Glob and records are sealed (seal.h). Writes of many threads are
 * grouped into one commit. All functions are safe on any thread and block for the storage.
 */
#ifndef CORE_STORE_STORE_H
#define CORE_STORE_STORE_H

#include "core/plugin/call.h"
#include "core/plugin/registry.h"
#include "core/store/seal.h"

struct store;

/* Open. `call` tells why not. Close with store_close(); nothing may be under way then. */
enum iotify_result store_open(
    struct call *call, const struct plugin *plugin, const void *options, struct store **out);
void store_close(struct store *store);

/*
 * Before anything but notes is read or written: take the seal that the store was made with, or
 * with `make` give a new store one; nothing can be written without. A store that does not outlive
 * the process needs none. `call` tells why not.
 */
enum iotify_result store_unseal(
    struct store *store, struct call *call, const struct seal_settings *settings, bool make);

/* Does a write survive a loss of power? */
bool store_durable(const struct store *store);

/* The store's key of a glob entry, a record or a note; in the call's arena. NULL: too long. */
const char *store_glob_key(struct call *call, const char *key);
const char *store_record_key(
    struct call *call, const char *alias, const char *realm, int64_t client);
/* Of the connector's own record, for the job as a whole. */
const char *store_job_record_key(struct call *call, const char *alias, const char *realm);
const char *store_note_key(struct call *call, const char *name);

/* One value; IOTIFY_NOT_FOUND when absent. */
enum iotify_result store_get(
    struct store *store, struct call *call, const char *key, struct iotify_bytes *out);
/* Many, in as few reads as the backend takes; keys are the store's. A missing one is no error. */
enum iotify_result store_get_many(
    struct store *store, struct call *call, struct iotify_read *reads, size_t count);
/* See iotify_storage.apply; keys are the store's. */
enum iotify_result store_apply(
    struct store *store, struct call *call, struct iotify_write *writes, size_t count);

/* Call `found` for the glob keys that begin with `prefix`, sorted, `limit` of them at most. */
enum iotify_result store_list_glob(struct store *store, struct call *call, const char *prefix,
    size_t limit, void (*found)(void *argument, const char *key), void *argument);
/* The alias of a connector that has records here and is not among these; NULL: there is none. */
enum iotify_result store_find_alias(struct store *store, struct call *call,
    const char *const *aliases, size_t count, const char **other);
/* The clients that have a record of this connector, in the call's arena, ascending. */
enum iotify_result store_list_records(struct store *store, struct call *call, const char *alias,
    const char *realm, int64_t **clients, size_t *count);
/* Call `found` for each of these records; see iotify_host.records. */
enum iotify_result store_each_record(struct store *store, struct call *call, const char *alias,
    const char *realm,
    enum iotify_result (*found)(void *argument, const struct iotify_record *record),
    void *argument);

#endif
