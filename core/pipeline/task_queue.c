/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pipeline/task_queue.h"

#include <stdbool.h>
#include <stdlib.h>

struct task *task_new(int64_t client)
{
    struct task *task = memory_new(1, sizeof(*task));

    task->client = client;
    return task;
}

void task_free(struct task *task)
{
    if (!task)
        return;
    arena_wipe(&task->arena);
    free(task);
}

void task_queue_push(struct task_queue *queue, struct task *task)
{
    task->next = NULL;
    if (queue->last)
        queue->last->next = task;
    else
        queue->first = task;
    queue->last = task;
    queue->waiting++;
}

static bool task_is_earlier(const struct task *task, const struct task *other)
{
    return task->due < other->due || (task->due == other->due && task->order < other->order);
}

static void task_queue_swap(struct task_queue *queue, size_t one, size_t other)
{
    struct task *task = queue->delayed[one];

    queue->delayed[one] = queue->delayed[other];
    queue->delayed[other] = task;
}

void task_queue_delay(struct task_queue *queue, struct task *task)
{
    size_t at = queue->delayed_count++;

    if (queue->delayed_count > queue->delayed_capacity) {
        queue->delayed_capacity = queue->delayed_capacity ? 2 * queue->delayed_capacity : 64;
        queue->delayed =
            memory_grow(queue->delayed, queue->delayed_capacity, sizeof(*queue->delayed));
    }
    task->order = queue->order++;
    queue->delayed[at] = task;
    for (; at > 0 && task_is_earlier(task, queue->delayed[(at - 1) / 2]); at = (at - 1) / 2)
        task_queue_swap(queue, at, (at - 1) / 2);
}

static struct task *task_queue_take_delayed(struct task_queue *queue)
{
    struct task *task = queue->delayed[0];
    size_t at = 0, child;

    queue->delayed[0] = queue->delayed[--queue->delayed_count];
    while ((child = 2 * at + 1) < queue->delayed_count) {
        if (child + 1 < queue->delayed_count &&
            task_is_earlier(queue->delayed[child + 1], queue->delayed[child]))
            child++;
        if (!task_is_earlier(queue->delayed[child], queue->delayed[at]))
            break;
        task_queue_swap(queue, at, child);
        at = child;
    }
    return task;
}

struct task *task_queue_take(struct task_queue *queue, int64_t now, int64_t *due)
{
    struct task *task = queue->first;

    *due = queue->delayed_count ? queue->delayed[0]->due : INT64_MAX;
    if (queue->delayed_count && *due <= now)
        return task_queue_take_delayed(queue);
    if (!task)
        return NULL;
    queue->first = task->next;
    if (!queue->first)
        queue->last = NULL;
    queue->waiting--;
    return task;
}

void task_queue_clear(struct task_queue *queue)
{
    int64_t due;
    struct task *task;

    while ((task = task_queue_take(queue, INT64_MAX, &due)))
        task_free(task);
    free(queue->delayed);
    *queue = (struct task_queue){0};
}
