/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predicts which keys of the glob (the job's key-value store) init() of a client reads, from the
 * reads of the first two, the models: where both read a key that differs by the client's number or
 * by a value of its data row, the others are expected to read theirs. Such keys are read for many
 * clients at once; a wrong prediction costs one read. One thread.
 */
#ifndef CORE_SIMULATE_PREFETCH_H
#define CORE_SIMULATE_PREFETCH_H

#include "core/script/script.h"

struct prefetch;

/* Number of clients that are observed before anything is predicted. */
#define PREFETCH_MODELS 2

struct prefetch *prefetch_new(void);
void prefetch_free(struct prefetch *prefetch);

/* Record that a model reads this key. */
void prefetch_note(struct prefetch *prefetch, const char *key);
/* End a model: the keys recorded since the last call are those of `client`. */
void prefetch_learn(struct prefetch *prefetch, struct script *script, int64_t client);
/* Queue the keys that init() of this client is expected to read. */
void prefetch_add(struct prefetch *prefetch, struct script *script, int64_t client);
/* Read the queued keys from the store, and empty the queue. */
void prefetch_read(struct prefetch *prefetch, struct glob_port *glob);

#endif
