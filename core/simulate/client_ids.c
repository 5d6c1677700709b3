/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/client_ids.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/simulate/ledger.h"

#define CAPACITY_FIRST 1024

/* Ids are recognised by a fingerprint of 64 bits. */
struct client_ids_entry {
    uint64_t print;
    int64_t first, last; /* the clients that used it first and last; `first` is -1: a free slot */
};

/* So many pairs of clients with the same id are known by name. */
#define PAIRS_MAX 1000

struct client_ids {
    pthread_mutex_t lock;
    int64_t pairs[PAIRS_MAX][2];
    size_t pair_count;
    struct client_ids_entry *table;
    size_t count, capacity; /* a power of two, at most half full */
};

static struct client_ids_entry *client_ids_allocate(size_t capacity)
{
    struct client_ids_entry *table = memory_new(capacity, sizeof(*table));

    for (size_t i = 0; i < capacity; i++)
        table[i].first = -1;
    return table;
}

struct client_ids *client_ids_new(void)
{
    struct client_ids *ids = memory_new(1, sizeof(*ids));

    pthread_mutex_init(&ids->lock, NULL);
    ids->capacity = CAPACITY_FIRST;
    ids->table = client_ids_allocate(ids->capacity);
    return ids;
}

void client_ids_free(struct client_ids *ids)
{
    if (!ids)
        return;
    pthread_mutex_destroy(&ids->lock);
    free(ids->table);
    free(ids);
}

/* Its entry, or the free slot for it. */
static struct client_ids_entry *client_ids_find(const struct client_ids *ids, uint64_t print)
{
    size_t at = (size_t)print & (ids->capacity - 1);

    while (ids->table[at].first >= 0 && ids->table[at].print != print)
        at = (at + 1) & (ids->capacity - 1);
    return &ids->table[at];
}

static void client_ids_grow(struct client_ids *ids)
{
    struct client_ids old = *ids;

    ids->capacity *= 2;
    ids->table = client_ids_allocate(ids->capacity);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.table[i].first >= 0)
            *client_ids_find(ids, old.table[i].print) = old.table[i];
    free(old.table);
}

/* The other client of the pair with this one; -1: it is in none. */
static int64_t client_ids_partner(const struct client_ids *ids, int64_t client)
{
    for (size_t i = 0; i < ids->pair_count; i++)
        for (size_t side = 0; side < 2; side++)
            if (ids->pairs[i][side] == client)
                return ids->pairs[i][1 - side];
    return -1;
}

static void client_ids_pair(struct client_ids *ids, int64_t client, int64_t other)
{
    if (ids->pair_count == PAIRS_MAX || client_ids_partner(ids, client) >= 0)
        return;
    ids->pairs[ids->pair_count][0] = client;
    ids->pairs[ids->pair_count++][1] = other;
}

int64_t client_ids_note(struct client_ids *ids, const char *id, int64_t client)
{
    struct client_ids_entry *entry;
    int64_t other;

    pthread_mutex_lock(&ids->lock);
    if (ids->count * 2 >= ids->capacity)
        client_ids_grow(ids);
    entry = client_ids_find(ids, ledger_print(id, strlen(id)));
    if (entry->first < 0) {
        *entry = (struct client_ids_entry){ledger_print(id, strlen(id)), client, client};
        ids->count++;
    }
    other = entry->first != client ? entry->first : entry->last != client ? entry->last : -1;
    if (entry->first != client)
        entry->last = client;
    if (other >= 0)
        client_ids_pair(ids, client, other);
    pthread_mutex_unlock(&ids->lock);
    return other;
}

int64_t client_ids_find_other(struct client_ids *ids, int64_t client)
{
    int64_t other;

    pthread_mutex_lock(&ids->lock);
    other = client_ids_partner(ids, client);
    pthread_mutex_unlock(&ids->lock);
    return other;
}
