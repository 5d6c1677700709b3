/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sandbox's AWS IoT knows: things, types, groups, policies, certificates and what ties
 * them together, in SQLite. Safe on any thread; one transaction at a time.
 */
#ifndef SANDBOX_STATE_H
#define SANDBOX_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct state;

/*
 * Open the file, or keep everything in memory (`path` NULL). What was committed survives the end
 * of the process, however it comes. NULL after a message on stderr.
 */
struct state *state_open(const char *path);
void state_close(struct state *state);
/* Remove the file and what SQLite keeps beside it. False after a message on stderr. */
bool state_remove(const char *path);

/* A transaction: everything between begin and end is seen together and by one thread. */
void state_begin(struct state *state);
/* False when it was not kept though it should be, because some statement in it failed. */
bool state_end(struct state *state, bool keep);

#define STATE_ARGUMENTS_MAX 10

/*
 * Run a statement; ?1, ?2, … are the strings of `arguments` (ends with NULL, a NULL inside is not
 * possible). The rows as an array of objects, each column a string or an integer by its name.
 * The caller frees it. Inside a transaction.
 */
json_t *state_select(struct state *state, const char *sql, const char *const *arguments);
/* The same for a statement without rows: how many rows it changed, -1 on an error. */
int state_change(struct state *state, const char *sql, const char *const *arguments);

/*
 * `parted` is told, on any thread and inside a transaction, the ARN of each principal that came
 * off a thing. NULL: nobody is.
 */
void state_on_parted(
    struct state *state, void (*parted)(void *argument, const char *principal), void *argument);
/* Take off what is due, without waiting for a call that would. */
void state_sweep(struct state *state);

/* A thing and a principal come apart at `due_ms` (since 1970); 0: nothing. Inside a transaction. */
void state_expect(struct state *state, int64_t due_ms);

/* Shorthand for an argument list. */
#define STATE_WITH(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
