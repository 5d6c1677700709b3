/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the parts of the glob: glob.c, glob_view.c, glob_port.c, glob_worker.c and
 * glob_changes.c.
 */
#ifndef CORE_STORE_GLOB_INTERNAL_H
#define CORE_STORE_GLOB_INTERNAL_H

#include <pthread.h>

#include "core/store/glob.h"

/* A queued or running request. Key and values follow it in the same allocation. */
struct glob_waiting {
    struct glob_waiting *next;
    struct glob_port *port; /* NULL: a background read of the glob itself */
    struct glob_request request;
    size_t size;
};

/* The cached value of a key. */
struct glob_view_entry {
    struct glob_view_entry *next;          /* in the bucket */
    struct glob_view_entry *newer, *older; /* of the entries that may be dropped, by last use */
    char *value;                           /* NULL: absent */
    size_t size;
    int64_t read_at;
    uint32_t pending; /* queued writes of the key; above 0 the entry is not dropped */
    bool refreshing;
    char key[];
};

struct glob_view {
    struct glob_view_entry **buckets;
    size_t bucket_count, count;
    struct glob_view_entry *newest, *oldest;
    size_t clean; /* bytes of the entries that may be dropped */
};

struct glob {
    struct store *store;
    const char *where;
    bool read_only; /* the store is not written */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    struct glob_view view; /* protected by the lock, as are the next members */
    struct glob_waiting *first, **last;
    size_t queued; /* bytes */
    bool busy, stop, counting;
    uint64_t last_stamp;
    uint32_t nonce; /* set once */
    struct glob_account account;
};

struct glob_port {
    struct glob *glob;
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct glob_answer *first, **last; /* protected by the lock, as are the next members */
    void (*wake)(void *argument);
    void *argument;
};

/* ------------------------------------------------------------------ glob_view.c */

/* The caller holds the glob's lock. An entry is linked while it may be dropped. */
struct glob_view_entry *glob_view_find(struct glob_view *view, const char *key);
struct glob_view_entry *glob_view_add(struct glob_view *view, const char *key);
void glob_view_set(struct glob_view_entry *entry, struct iotify_bytes value);
void glob_view_link(struct glob_view *view, struct glob_view_entry *entry);
void glob_view_unlink(struct glob_view *view, struct glob_view_entry *entry);
/* Drop linked entries, least recently used first, until they take at most `left` bytes. */
void glob_view_trim(struct glob_view *view, size_t left);
/* Cache a value that was written or read; with no data, that the key is absent. */
void glob_view_learn(struct glob *glob, const char *key, struct iotify_bytes value);
void glob_view_clear(struct glob_view *view);

/* Cache the value that the store has for a key, unless a queued write changes it. */
void glob_learn(struct glob *glob, const char *key, struct iotify_bytes value);
/* A background read has failed; the next reader starts another one. */
void glob_not_learned(struct glob *glob, const char *key);
/* A queued write is done (`good`) or has failed. */
void glob_written(struct glob *glob, const char *key, bool good);
/*
 * Count a call that has waited for the store since `began` (clock_now()). The caller holds the
 * lock.
 */
void glob_note_blocking(struct glob *glob, int64_t began);
/* Count a failed write; the first one is also logged. */
void glob_failed(struct glob *glob, const char *what, const char *key, const char *message);
/* Give an answer to its port, which owns it from then on; wake the loop if it had none. */
void glob_post(struct glob_port *port, struct glob_answer *answer);

/* ------------------------------------------------------------------ glob_worker.c */

/* The main function of the worker thread. */
void *glob_worker(void *glob);

/* The most requests that are carried out together. */
#define GLOB_GROUP_MAX 256
/* How often a change is retried that conflicts with another writer. */
#define GLOB_TRIES_MAX 1000

/* Requests that are carried out together, in order. */
struct glob_group {
    struct glob_waiting *items[GLOB_GROUP_MAX];
    size_t count;
};

/* Create an answer to a request; glob_answer_send() passes it to the port or frees it. */
struct glob_answer *glob_answer_new(const struct glob_waiting *waiting);
struct iotify_bytes glob_answer_keep(struct arena *arena, struct iotify_bytes bytes);
void glob_answer_send(const struct glob_waiting *waiting, struct glob_answer *answer);
/* Answer one request with an error. */
void glob_answer_error(struct glob *glob, const struct glob_waiting *waiting, const char *message);
/* Answer all requests of a group with an error. */
void glob_answer_all(struct glob *glob, const struct glob_group *group, const char *message);

/* ------------------------------------------------------------------ glob_changes.c */

/* Carry out GLOB_ADD and GLOB_SWAP requests and answer them. */
void glob_do_changes(struct glob *glob, struct glob_group *group);

#endif
