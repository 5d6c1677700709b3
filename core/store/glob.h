/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The glob, the job's key-value store, as scripts see it: a view in memory that answers at once,
 * and a worker thread that does the reads and writes of the store.
 *
 * PUT and DELETE are visible to all loops of this run at once. A write is in the store when its
 * request was answered, or after glob_flush(). Requests are carried out in the order in which they
 * were made; queued writes are committed together. The view caches values up to a limit. A reader
 * that finds a value older than one second gets it and starts a read in the background, so that the
 * writes of other runs become visible without blocking a reader.
 *
 * Keys are the scripts' own, without the store's prefix. Functions are safe on any thread unless
 * stated otherwise.
 */
#ifndef CORE_STORE_GLOB_H
#define CORE_STORE_GLOB_H

#include "core/store/store.h"

/* The first byte of a JSON value; other values are plain text. runtime/glob.js uses it too. */
#define GLOB_JSON_MARK '\001'

struct glob;
struct glob_port;

enum glob_kind {
    GLOB_PUT = 1,
    GLOB_DELETE,
    GLOB_GET,
    GLOB_LIST,  /* keys that begin with `key` */
    GLOB_ADD,   /* `number` to the JSON number of the key; an absent key counts as 0 */
    GLOB_SWAP,  /* to `value` if the current value equals `expected`; `data` NULL: absent */
    GLOB_FLUSH, /* answered when all requests before it are done */
    /* Operations on the mailbox whose key prefix is `key`: */
    GLOB_POST,
    GLOB_POP,
    GLOB_COUNT,
    GLOB_DUMP,
    GLOB_CLEAR
};

struct glob_request {
    enum glob_kind kind;
    uint64_t token; /* identifies the answer; 0: no answer is wanted */
    const char *key;
    struct iotify_bytes value, expected; /* `data` NULL: absent */
    double number;
};

struct glob_answer {
    uint64_t token;
    enum glob_kind kind;
    const char *error;         /* one line; NULL: success */
    struct iotify_bytes value; /* GET, POP; `data` NULL: absent */
    bool swapped;              /* SWAP */
    double number;             /* ADD, COUNT */
    const char **items;        /* LIST: keys; DUMP: values */
    size_t item_count;
    struct glob_answer *next;
    struct arena arena;
};

/* Counters for the report. */
struct glob_account {
    int64_t blocking; /* calls that waited for the store while counting was on */
    int64_t blocking_time;
    int64_t failed;  /* writes that failed */
    char error[512]; /* of the first failed write */
};

/*
 * Create the glob and start its thread. `where` is for the log; both arguments must outlive the
 * glob. With `read_only` nothing is stored: PUT and DELETE are visible to this run only, other
 * changes fail. NULL when no thread can be started.
 */
struct glob *glob_new(struct store *store, const char *where, bool read_only);
/*
 * Finish all queued requests, then free the glob; NULL is allowed. All ports must be freed before.
 */
void glob_free(struct glob *glob);
/* Block until all requests made so far are done. */
void glob_flush(struct glob *glob);
/* Start a new step: drop the cached values and reset the counters. `where` as in glob_new(). */
void glob_begin(struct glob *glob, const char *where);
/* Count the calls that block from now on. */
void glob_count_blocking(struct glob *glob);
void glob_account(struct glob *glob, struct glob_account *account);

/*
 * A port receives the answers for one loop. `wake` may be NULL; the worker thread calls it, with
 * the port's lock held, when an answer arrives and the port was empty.
 */
struct glob_port *glob_port_new(struct glob *glob, void (*wake)(void *argument), void *argument);
/*
 * Block as glob_flush(), then free the port and the answers that were not taken. NULL is allowed.
 */
void glob_port_free(struct glob_port *port);

/*
 * Read the value of a key into the call's arena; blocks for the store when the view does not have
 * it. IOTIFY_RESULT_NOT_FOUND when absent, IOTIFY_RESULT_INVALID when the key is too long, or an
 * error of the store.
 */
enum iotify_result glob_read(
    struct glob_port *port, struct call *call, const char *key, struct iotify_bytes *out);
/*
 * Read keys into the view ahead of their readers; blocks. Errors are ignored: glob_read() tries
 * again.
 */
void glob_prefetch(struct glob_port *port, const char *const *keys, size_t count);
/*
 * Queue a request; everything is copied. PUT and DELETE are visible at once. Blocks only while more
 * than 64 MiB are queued. IOTIFY_RESULT_INVALID with a message when the key or the value is too
 * long.
 */
enum iotify_result glob_ask(
    struct glob_port *port, struct call *call, const struct glob_request *request);
/*
 * As glob_ask(), but block until the answer arrives; the caller frees it with glob_answer_free().
 * NULL stands for IOTIFY_RESULT_INVALID.
 */
struct glob_answer *glob_wait(
    struct glob_port *port, struct call *call, const struct glob_request *request);

/* Take all answers that have arrived, in order. The caller frees each with glob_answer_free(). */
struct glob_answer *glob_take(struct glob_port *port);
/* Block until there is an answer, for at most `nanoseconds`. */
void glob_await(struct glob_port *port, int64_t nanoseconds);
/* Overwrite and free an answer: it may contain a key. NULL is allowed. */
void glob_answer_free(struct glob_answer *answer);

#endif
