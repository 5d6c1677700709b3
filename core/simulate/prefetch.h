/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys of the glob the clients' init() will read, told from what the first two read: where
 * both read a key that differs by the client's number, or by a value of its row, the others will
 * read theirs. So that these are read for many clients at once. A wrong guess costs a read.
 * One thread.
 */
#ifndef CORE_SIMULATE_PREFETCH_H
#define CORE_SIMULATE_PREFETCH_H

#include "core/script/script.h"

struct prefetch;

/* So many clients are looked at before anything is guessed. */
#define PREFETCH_MODELS 2

struct prefetch *prefetch_new(void);
void prefetch_free(struct prefetch *prefetch);

/* A model reads this key. */
void prefetch_note(struct prefetch *prefetch, const char *key);
/* The model is done: what has been noted since the last time was this client's. */
void prefetch_learn(struct prefetch *prefetch, struct script *script, int64_t client);
/* This client's init() comes next: add the keys that it will read to those to be read. */
void prefetch_add(struct prefetch *prefetch, struct script *script, int64_t client);
/* Read the keys that were added. */
void prefetch_read(struct prefetch *prefetch, struct glob_port *glob);

#endif
