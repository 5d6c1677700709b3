/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/counts.h"

#include <pthread.h>
#include <stdlib.h>

struct counts {
    pthread_mutex_t mutex;
    json_t *operations;
};

struct counts *counts_new(void)
{
    struct counts *counts = calloc(1, sizeof(*counts));

    if (!counts)
        abort();
    pthread_mutex_init(&counts->mutex, NULL);
    counts->operations = json_object();
    return counts;
}

void counts_free(struct counts *counts)
{
    if (!counts)
        return;
    json_decref(counts->operations);
    pthread_mutex_destroy(&counts->mutex);
    free(counts);
}

void counts_add(struct counts *counts, const char *operation, const char *result)
{
    json_t *results, *count;

    pthread_mutex_lock(&counts->mutex);
    results = json_object_get(counts->operations, operation);
    if (!results) {
        results = json_object();
        json_object_set_new(counts->operations, operation, results);
    }
    count = json_object_get(results, result);
    if (count)
        json_integer_set(count, json_integer_value(count) + 1);
    else
        json_object_set_new(results, result, json_integer(1));
    pthread_mutex_unlock(&counts->mutex);
}

json_t *counts_json(struct counts *counts)
{
    json_t *copy;

    pthread_mutex_lock(&counts->mutex);
    copy = json_deep_copy(counts->operations);
    pthread_mutex_unlock(&counts->mutex);
    return copy;
}

void counts_reset(struct counts *counts)
{
    pthread_mutex_lock(&counts->mutex);
    json_object_clear(counts->operations);
    pthread_mutex_unlock(&counts->mutex);
}
