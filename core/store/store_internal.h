/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by store.c, store_commit.c and store_listing.c. */
#ifndef CORE_STORE_STORE_INTERNAL_H
#define CORE_STORE_STORE_INTERNAL_H

#include <pthread.h>

#include "core/store/guard.h"
#include "core/store/store.h"

/* Key prefixes of the three name spaces. They are part of the stored format and must not change. */
#define STORE_GLOB "glob/"
#define STORE_RECORD "record/"
#define STORE_NOTE "note/"

#define STORE_READ_MAX 128 /* keys in one read of the storage */

/* The writes of one caller that wait for a commit. Lives on the caller's stack. */
struct store_request {
    struct call *call;
    struct iotify_write *writes;
    size_t count;
    enum iotify_result result;
    bool done;
    struct store_request *next;
};

struct store {
    struct guard guard;   /* the open plugin */
    struct seal *seal;    /* NULL: nothing is sealed */
    bool accept_unsealed; /* see struct seal_settings */
    pthread_mutex_t queue_lock;
    pthread_cond_t committed;
    struct store_request *first, **last; /* protected by queue_lock, as is `committing` */
    bool committing;
};

/* True when values of this key are sealed. Notes are not. */
bool store_is_sealed(const struct store *store, const char *key);
/*
 * Read at most STORE_READ_MAX values and unseal them into the call's arena. A missing key is not an
 * error.
 */
enum iotify_result store_read(
    struct store *store, struct call *call, struct iotify_read *reads, size_t count);
/* The key prefix of a connector's records, in the call's arena. */
const char *store_record_prefix(struct call *call, const char *alias, const char *realm);
/* Write, together with the requests of other threads. Blocks; sets `request->result`. */
void store_commit(struct store *store, struct store_request *request);

#endif
