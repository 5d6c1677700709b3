/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of a step that wait for a worker: new ones in their order, and delayed ones, which are
 * due at a time. Not thread-safe: the fan-out protects it.
 */
#ifndef CORE_PIPELINE_TASK_QUEUE_H
#define CORE_PIPELINE_TASK_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"

struct task {
    int64_t client;
    struct arena arena; /* for the evaluated settings */
    const void *options;
    int stage;      /* see iotify_call */
    bool repaired;  /* host->repaired() was called at an earlier stage */
    int64_t due;    /* of clock_now() */
    uint64_t order; /* of equally due tasks */
    struct task *next;
};

/* A zeroed structure is an empty queue. */
struct task_queue {
    struct task *first, *last; /* new tasks */
    size_t waiting;            /* number of new tasks */
    struct task **delayed;     /* a heap, the earliest first */
    size_t delayed_count, delayed_capacity;
    uint64_t order;
};

/* Create a task; the caller frees it with task_free() or gives it to a queue. */
struct task *task_new(int64_t client);
void task_free(struct task *task);

void task_queue_push(struct task_queue *queue, struct task *task);
/* Add a task that is due at `task->due`. */
void task_queue_delay(struct task_queue *queue, struct task *task);
/*
 * Take a delayed task that is due, else a new one. NULL: none; then `*due` is the time of the
 * earliest delayed task, INT64_MAX without one.
 */
struct task *task_queue_take(struct task_queue *queue, int64_t now, int64_t *due);
/* Free all tasks and the queue's memory. */
void task_queue_clear(struct task_queue *queue);

#endif
