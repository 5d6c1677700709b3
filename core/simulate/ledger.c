/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/random.h"

#define CAPACITY_FIRST 2
/* With `verifies`, this many settled messages are kept, to recognize duplicates. */
#define REMEMBERED 64

static struct ledger_entry *ledger_at(const struct ledger *ledger, uint32_t index)
{
    return &ledger->ring[(ledger->first + index) & (ledger->capacity - 1)];
}

void ledger_clear(struct ledger *ledger)
{
    free(ledger->ring);
    *ledger = (struct ledger){0};
}

static void ledger_grow(struct ledger *ledger)
{
    uint32_t capacity = ledger->capacity ? ledger->capacity * 2 : CAPACITY_FIRST;
    struct ledger_entry *ring = memory_new(capacity, sizeof(*ring));

    for (uint32_t i = 0; i < ledger->count; i++)
        ring[i] = *ledger_at(ledger, i);
    free(ledger->ring);
    ledger->ring = ring;
    ledger->first = 0;
    ledger->capacity = capacity;
}

static bool ledger_is_settled(const struct ledger *ledger, const struct ledger_entry *entry)
{
    return entry->lost || (entry->acknowledged && (!ledger->verifies || entry->received));
}

/* Remove settled messages, oldest first. */
static void ledger_settle(struct ledger *ledger)
{
    uint32_t remembered = ledger->verifies ? REMEMBERED : 0;

    while (ledger->count > remembered && ledger_is_settled(ledger, ledger_at(ledger, 0))) {
        ledger->first = (ledger->first + 1) & (ledger->capacity - 1);
        ledger->count--;
        ledger->base++;
        if (ledger->newest > 0)
            ledger->newest--;
    }
}

uint64_t ledger_add(struct ledger *ledger, const struct ledger_entry *entry)
{
    ledger_settle(ledger);
    if (ledger->count == ledger->capacity)
        ledger_grow(ledger);
    *ledger_at(ledger, ledger->count) = *entry;
    ledger->open++;
    ledger->unreceived += ledger->verifies;
    return ledger->base + ledger->count++;
}

void ledger_take_back(struct ledger *ledger)
{
    ledger->count--;
    ledger->open--;
    ledger->unreceived -= ledger->verifies;
}

static struct ledger_entry *ledger_find(const struct ledger *ledger, uint64_t token)
{
    return token >= ledger->base && token - ledger->base < ledger->count
               ? ledger_at(ledger, (uint32_t)(token - ledger->base))
               : NULL;
}

static void ledger_close(struct ledger *ledger)
{
    ledger->open--;
    if (ledger->open == 0)
        ledger->suspect = false;
}

bool ledger_acknowledge(struct ledger *ledger, uint64_t token, int64_t *intended)
{
    struct ledger_entry *entry = ledger_find(ledger, token);

    if (!entry || entry->acknowledged || entry->lost)
        return false;
    entry->acknowledged = true;
    ledger_close(ledger);
    *intended = entry->intended;
    ledger_settle(ledger);
    return true;
}

bool ledger_lose(struct ledger *ledger, uint64_t token)
{
    struct ledger_entry *entry = ledger_find(ledger, token);

    if (!entry || entry->acknowledged || entry->lost)
        return false;
    entry->lost = true;
    ledger_close(ledger);
    if (ledger->verifies && !entry->received)
        ledger->unreceived--;
    ledger_settle(ledger);
    return true;
}

enum ledger_arrival ledger_receive(struct ledger *ledger, uint64_t print, int64_t *intended)
{
    bool again = false;

    for (uint32_t i = 0; i < ledger->count; i++) {
        struct ledger_entry *entry = ledger_at(ledger, i);
        bool reordered = i < ledger->newest;

        if (entry->print != print)
            continue;
        if (entry->received) {
            again = true;
            continue;
        }
        entry->received = true;
        *intended = entry->intended;
        if (!entry->lost)
            ledger->unreceived--;
        if (!reordered)
            ledger->newest = i + 1;
        ledger_settle(ledger);
        return reordered ? ARRIVED_REORDERED : ARRIVED;
    }
    return again ? ARRIVED_AGAIN : ARRIVED_FOREIGN;
}

static bool ledger_is_open(const struct ledger_entry *entry)
{
    return !entry->acknowledged && !entry->lost;
}

bool ledger_disconnect(struct ledger *ledger, bool hung_up)
{
    bool given_up = false;

    for (uint32_t i = 0; ledger->open > 0 && i < ledger->count; i++) {
        struct ledger_entry *entry = ledger_at(ledger, i);

        if (!ledger_is_open(entry))
            continue;
        entry->hang_ups = hung_up ? entry->hang_ups + 1 : 0;
        given_up = given_up || entry->hang_ups == LEDGER_HANG_UPS_MAX;
    }
    ledger->suspect = hung_up && ledger->open > 0;
    return given_up;
}

const struct ledger_entry *ledger_open(const struct ledger *ledger, uint64_t *token)
{
    for (uint32_t i = 0; ledger->open > 0 && i < ledger->count; i++) {
        const struct ledger_entry *entry = ledger_at(ledger, i);

        if (!ledger_is_open(entry))
            continue;
        *token = ledger->base + i;
        return entry;
    }
    return NULL;
}

const struct ledger_entry *ledger_overdue(
    const struct ledger *ledger, uint32_t sent, uint64_t *token)
{
    for (uint32_t i = 0; i < ledger->count; i++) {
        const struct ledger_entry *entry = ledger_at(ledger, i);

        if (entry->sent >= sent)
            return NULL;
        if (ledger_is_open(entry) && !entry->once) {
            *token = ledger->base + i;
            return entry;
        }
    }
    return NULL;
}

static bool ledger_is_unreturned(const struct ledger_entry *entry)
{
    return entry->acknowledged && !entry->received && !entry->lost;
}

const struct ledger_entry *ledger_unreturned(
    const struct ledger *ledger, uint32_t sent, uint64_t *token)
{
    for (uint32_t i = 0; ledger->unreceived > 0 && i < ledger->count; i++) {
        const struct ledger_entry *entry = ledger_at(ledger, i);

        if (entry->sent >= sent)
            return NULL;
        if (ledger_is_unreturned(entry)) {
            *token = ledger->base + i;
            return entry;
        }
    }
    return NULL;
}

bool ledger_forget(struct ledger *ledger, uint64_t token)
{
    struct ledger_entry *entry = ledger_find(ledger, token);

    if (!ledger->verifies || !entry || !ledger_is_unreturned(entry))
        return false;
    entry->lost = true;
    ledger->unreceived--;
    ledger_settle(ledger);
    return true;
}

const struct ledger_entry *ledger_unsettled(const struct ledger *ledger, uint32_t *index)
{
    while (*index < ledger->count) {
        const struct ledger_entry *entry = ledger_at(ledger, (*index)++);

        if (!ledger_is_settled(ledger, entry))
            return entry;
    }
    return NULL;
}

uint64_t ledger_print(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t print = random_mix(size), word;

    for (; size >= sizeof(word); size -= sizeof(word), bytes += sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        print = random_mix(print ^ word);
    }
    if (size > 0) {
        word = 0;
        memcpy(&word, bytes, size);
        print = random_mix(print ^ word);
    }
    return print;
}
