/* What glob.c (view, ports) and glob_worker.c (carrying out) share. */
#ifndef CORE_STORE_GLOB_INTERNAL_H
#define CORE_STORE_GLOB_INTERNAL_H

#include <pthread.h>

#include "core/store/glob.h"

/* A request that waits or is under way, one allocation with all it holds behind it. */
struct waiting {
    struct waiting *next;
    struct glob_port *port; /* NULL: the glob's own */
    struct glob_request request;
    size_t size;
};

/* What is known of a key. */
struct view_entry {
    struct view_entry *next;          /* of the bucket */
    struct view_entry *newer, *older; /* of those that may be dropped, by their last use */
    char *value;                      /* NULL: absent */
    size_t size;
    int64_t read_at;
    uint32_t pending; /* writes that are not done yet: it is not dropped */
    bool refreshing;
    char key[];
};

struct view {
    struct view_entry **buckets;
    size_t bucket_count, count;
    struct view_entry *newest, *oldest;
    size_t clean; /* bytes of those that may be dropped */
};

struct glob {
    struct store *store;
    const char *where;
    bool looking; /* nothing is written */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    struct view view; /* from here on, under the lock */
    struct waiting *first, **last;
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

/* The thread. */
void *glob_worker(void *glob);

/* The value that a key has by now, unless a write that waits will change it anyway. */
void glob_learn(struct glob *glob, const char *key, struct iotify_bytes value);
/* It could not be read again; the next reader asks once more. */
void glob_not_learned(struct glob *glob, const char *key);
/* A write of the queue is done, or has failed. */
void glob_written(struct glob *glob, const char *key, bool good);
/* A write that nobody waits for has failed; or one that somebody does. */
void glob_failed(struct glob *glob, const char *what, const char *key, const char *message);
void glob_post(struct glob_port *port, struct glob_answer *answer);

#endif
