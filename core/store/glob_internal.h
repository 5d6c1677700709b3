/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the glob share: glob.c, glob_view.c, glob_port.c, glob_worker.c,
 * glob_changes.c. */
#ifndef CORE_STORE_GLOB_INTERNAL_H
#define CORE_STORE_GLOB_INTERNAL_H

#include <pthread.h>

#include "core/store/glob.h"

/* A request that waits or is under way, one allocation with all it holds behind it. */
struct glob_waiting {
    struct glob_waiting *next;
    struct glob_port *port; /* NULL: the glob's own */
    struct glob_request request;
    size_t size;
};

/* What is known of a key. */
struct glob_view_entry {
    struct glob_view_entry *next;          /* of the bucket */
    struct glob_view_entry *newer, *older; /* of those that may be dropped, by their last use */
    char *value;                           /* NULL: absent */
    size_t size;
    int64_t read_at;
    uint32_t pending; /* writes that are not done yet: it is not dropped */
    bool refreshing;
    char key[];
};

struct glob_view {
    struct glob_view_entry **buckets;
    size_t bucket_count, count;
    struct glob_view_entry *newest, *oldest;
    size_t clean; /* bytes of those that may be dropped */
};

struct glob {
    struct store *store;
    const char *where;
    bool looking; /* nothing is written */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    struct glob_view view; /* from here on, under the lock */
    struct glob_waiting *first, **last;
    size_t queued; /* bytes */
    bool busy, stop, counting;
    uint64_t last_stamp;
    uint32_t nonce; /* never changes */
    struct glob_account account;
};

struct glob_port {
    struct glob *glob;
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct glob_answer *first, **last; /* from here on, under the lock */
    void (*wake)(void *argument);
    void *argument;
};

/* ------------------------------------------------------------------ glob_view.c */

/* All with the glob's lock held. An entry is linked while it may be dropped. */
struct glob_view_entry *glob_view_find(struct glob_view *view, const char *key);
struct glob_view_entry *glob_view_add(struct glob_view *view, const char *key);
void glob_view_set(struct glob_view_entry *entry, struct iotify_bytes value);
void glob_view_link(struct glob_view *view, struct glob_view_entry *entry);
void glob_view_unlink(struct glob_view *view, struct glob_view_entry *entry);
/* Drop linked entries, the least recently used first, until they take `left` bytes. */
void glob_view_trim(struct glob_view *view, size_t left);
void glob_view_learn(struct glob *glob, const char *key, struct iotify_bytes value);
void glob_view_clear(struct glob_view *view);

/* The value that a key has by now, unless a write that waits will change it anyway. */
void glob_learn(struct glob *glob, const char *key, struct iotify_bytes value);
/* It could not be read again; the next reader asks once more. */
void glob_not_learned(struct glob *glob, const char *key);
/* A write of the queue is done, or has failed. */
void glob_written(struct glob *glob, const char *key, bool good);
/* A caller has waited for the store since `began`, by clock_now(). */
void glob_note_blocking(struct glob *glob, int64_t began);
/* A write that nobody waits for has failed; or one that somebody does. */
void glob_failed(struct glob *glob, const char *what, const char *key, const char *message);
void glob_post(struct glob_port *port, struct glob_answer *answer);

/* ------------------------------------------------------------------ glob_worker.c */

/* The thread. */
void *glob_worker(void *glob);

/* Requests that are taken at a time. */
#define GLOB_GROUP_MAX 256
/* How often a change is tried again that lost against another writer. */
#define GLOB_TRIES_MAX 1000
/* The first byte of a value that is JSON; others are plain text. Known to runtime/glob.js. */
#define GLOB_JSON_MARK '\001'

/* Requests that are carried out together, in their order. */
struct glob_group {
    struct glob_waiting *items[GLOB_GROUP_MAX];
    size_t count;
};

/* An answer to a request; it goes back to the port by glob_answer_send(). */
struct glob_answer *glob_answer_new(const struct glob_waiting *waiting);
struct iotify_bytes glob_answer_keep(struct arena *arena, struct iotify_bytes bytes);
void glob_answer_send(const struct glob_waiting *waiting, struct glob_answer *answer);
/* The request has failed, with this text. */
void glob_answer_error(struct glob *glob, const struct glob_waiting *waiting, const char *message);
/* All of a group have failed. */
void glob_answer_all(struct glob *glob, const struct glob_group *group, const char *message);

/* ------------------------------------------------------------------ glob_changes.c */

/* Carry out GLOB_ADD and GLOB_SWAP requests and answer them. */
void glob_do_changes(struct glob *glob, struct glob_group *group);

#endif
