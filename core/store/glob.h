/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The glob as scripts see it: a view of the store that answers at once, and a thread that carries
 * out behind it what has to wait for the disk or the network.
 *
 * What a run writes is visible to all its loops from the call on, and durable when it was asked for
 * by glob_ask() and answered, or after glob_flush(). Requests are carried out in the order in which
 * they were made; writes that wait are done together. The view keeps what was read, within a bound,
 * and reads it again behind a reader that finds it older than a second: so other runs' writes are
 * seen, and nobody waits for it.
 *
 * Keys are the scripts' own, without the store's prefix. Functions are safe on any thread unless
 * said otherwise.
 */
#ifndef CORE_STORE_GLOB_H
#define CORE_STORE_GLOB_H

#include "core/store/store.h"

struct glob;
struct glob_port;

enum glob_kind {
    GLOB_PUT = 1,
    GLOB_DELETE,
    GLOB_GET,
    GLOB_LIST,  /* keys that begin with `key` */
    GLOB_ADD,   /* `number` to the JSON number that is there, none: to 0 */
    GLOB_SWAP,  /* to `value` when it is `expected` now; empty ones mean absence */
    GLOB_FLUSH, /* answered when all requests before it are done */
    /* Of a mailbox, whose prefix is `key`: */
    GLOB_POST,
    GLOB_POP,
    GLOB_COUNT,
    GLOB_DUMP,
    GLOB_CLEAR
};

struct glob_request {
    enum glob_kind kind;
    uint64_t token; /* for the answer; 0: nobody waits for one */
    const char *key;
    struct iotify_bytes value, expected; /* `data` NULL: absent */
    double number;
};

struct glob_answer {
    uint64_t token;
    enum glob_kind kind;
    const char *error;         /* one line; NULL: it went well */
    struct iotify_bytes value; /* GET, POP; `data` NULL: absent */
    bool swapped;              /* SWAP */
    double number;             /* ADD, COUNT */
    const char **items;        /* LIST: keys; DUMP: values */
    size_t item_count;
    struct glob_answer *next;
    struct arena arena;
};

/* How it went, for the report. */
struct glob_account {
    int64_t blocking; /* calls that waited for the store */
    int64_t blocking_time;
    int64_t failed;  /* writes that are not in the store */
    char error[512]; /* of the first */
};

/*
 * `where` is for the log; both must outlive the glob. With `looking` writes are seen by this run
 * and stored nowhere. NULL when there is no thread to be had.
 */
struct glob *glob_new(struct store *store, const char *where, bool looking);
/* Wait for what is under way, then end. All ports are closed before. */
void glob_free(struct glob *glob);
/* Wait until everything asked for so far is done. */
void glob_flush(struct glob *glob);
/* Begin anew: what was read is read again, and nothing is counted yet. */
void glob_begin(struct glob *glob, const char *where);
/* From now on calls that wait are counted. */
void glob_count_blocking(struct glob *glob);
void glob_account(struct glob *glob, struct glob_account *account);

/*
 * Where one loop's answers come in. `wake` is called, on another thread, when there are answers
 * after there were none; NULL: nobody needs it.
 */
struct glob_port *glob_port_new(struct glob *glob, void (*wake)(void *argument), void *argument);
/* Answers that were not taken are dropped; none comes after it. */
void glob_port_free(struct glob_port *port);
/* Let it be known from now on whom to wake. */
void glob_port_wakes(struct glob_port *port, void (*wake)(void *argument), void *argument);

/*
 * The value of a key, in the call's arena; waits for the store when the view does not have it.
 * IOTIFY_NOT_FOUND when absent.
 */
enum iotify_result glob_read(
    struct glob_port *port, struct call *call, const char *key, struct iotify_bytes *out);
/* Read keys into the view, for readers to come. What fails is read again by them. */
void glob_prefetch(struct glob_port *port, const char *const *keys, size_t count);
/*
 * Have it carried out; PUT and DELETE are visible at once. Everything is copied. Waits only when
 * very much is waiting already. IOTIFY_INVALID: the key or the value is too long; `call` says so.
 */
enum iotify_result glob_ask(
    struct glob_port *port, struct call *call, const struct glob_request *request);
/* The same, waiting for the answer: see glob_answer_free(). NULL as IOTIFY_INVALID above. */
struct glob_answer *glob_wait(
    struct glob_port *port, struct call *call, const struct glob_request *request);

/* The answers that have come, in their order. Each ends with glob_answer_free(). */
struct glob_answer *glob_take(struct glob_port *port);
/* Wait until there are answers, or until the time is over. */
void glob_await(struct glob_port *port, int64_t nanoseconds);
/* Overwrites it: it may hold a key. */
void glob_answer_free(struct glob_answer *answer);

#endif
