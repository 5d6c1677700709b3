/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the store share: store.c, store_commit.c and store_listing.c. */
#ifndef CORE_STORE_STORE_INTERNAL_H
#define CORE_STORE_STORE_INTERNAL_H

#include <pthread.h>

#include "core/store/store.h"

/* Prefixes of the three name spaces in the backend. Stored names: never changed. */
#define STORE_GLOB "glob/"
#define STORE_RECORD "record/"
#define STORE_NOTE "note/"

#define STORE_READ_MAX 128 /* values in one read */

/* Writes of one caller that wait for a commit. */
struct store_request {
    struct call *call;
    struct iotify_write *writes;
    size_t count;
    enum iotify_result result;
    bool done;
    struct store_request *next;
};

struct store {
    const struct plugin *plugin;
    void *instance;
    struct seal *seal;             /* NULL: nothing is sealed */
    pthread_mutex_t instance_lock; /* unless the plugin is IOTIFY_PARALLEL */
    pthread_mutex_t queue_lock;
    pthread_cond_t committed;
    struct store_request *first, **last; /* under queue_lock, as is the next */
    bool committing;
};

/* Around each call of the plugin: as many threads as its thread model allows. */
void store_enter(struct store *store);
void store_leave(struct store *store);

/* Are values of this key sealed? Notes never are. */
bool store_is_sealed(const struct store *store, const char *key);
/* Read values as they are stored; in the call's arena. A missing one is no error. */
enum iotify_result store_read(
    struct store *store, struct call *call, struct iotify_read *reads, size_t count);
/* The key prefix of a connector's records, in the call's arena. */
const char *store_record_prefix(struct call *call, const char *alias, const char *realm);
/* Write, together with what other threads write at the same time; `request->result` is set. */
void store_commit(struct store *store, struct store_request *request);

#endif
