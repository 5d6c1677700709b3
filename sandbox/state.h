/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resources of the emulated AWS IoT in SQLite: things, types, groups, policies, certificates
 * and their attachments. Safe on any thread; one transaction at a time.
 */
#ifndef SANDBOX_STATE_H
#define SANDBOX_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct state;

/*
 * Open the database file, or one in memory (`path` NULL). Committed transactions survive a crash of
 * the process. NULL after a message on stderr.
 */
struct state *state_open(const char *path);
void state_close(struct state *state);
/* Delete the file and SQLite's files beside it. False after a message on stderr. */
bool state_remove(const char *path);

/* Begin a transaction: locks the state for this thread until state_end(). Not recursive. */
void state_begin(struct state *state);
/* Commit if `keep`, else roll back. False when it should commit, but a statement failed. */
bool state_end(struct state *state, bool keep);

#define STATE_ARGUMENTS_MAX 10

/*
 * Run a statement inside a transaction; ?1, ?2, … are the strings of `arguments`, which ends with
 * NULL. `sql` must be a constant: it is identified by its address. Returns an array of objects,
 * with columns as strings or integers and NULL columns left out; never NULL, but incomplete after
 * an error. The caller frees it.
 */
json_t *state_select(struct state *state, const char *sql, const char *const *arguments);
/* The same for a statement without rows. Returns the number of changed rows, -1 on an error. */
int state_change(struct state *state, const char *sql, const char *const *arguments);

/*
 * `parted` is called, on any thread and inside a transaction, with the ARN of each principal whose
 * delayed detachment from a thing took effect. NULL: no callback.
 */
void state_on_parted(
    struct state *state, void (*parted)(void *argument, const char *principal), void *argument);
/* Carry out the detachments that are due, as state_begin() does. Outside a transaction. */
void state_sweep(struct state *state);

/* Note that a detachment is due at `due_ms` (since 1970; 0: ignored). Inside a transaction. */
void state_expect(struct state *state, int64_t due_ms);

/* An argument list. */
#define STATE_WITH(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
