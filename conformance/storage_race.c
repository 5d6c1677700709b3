/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads on one store, which the host calls as often at once as the plugin allows. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/storage_internal.h"
#include "core/base/activity.h"
#include "core/base/clock.h"
#include "core/base/stop.h"

#define THREADS 64
#define ROUNDS 10

struct race {
    struct storage_world *world;
    pthread_barrier_t start;
    pthread_mutex_t apply; /* the host has at most one apply() in progress */
    const void *data;
    int won;
    void (*run)(struct race *race, struct storage_world *own, int number);
};

struct race_thread {
    struct race *race;
    int number;
};

/* As the host's group commit: one at a time, and reads beside it. */
static enum iotify_result race_write(struct race *race, struct storage_world *own,
    enum iotify_write_kind kind, const char *key, const char *value, const char *expected)
{
    enum iotify_result result;

    pthread_mutex_lock(&race->apply);
    result = storage_write(own, kind, key, value, expected);
    pthread_mutex_unlock(&race->apply);
    return result;
}

static void *race_main(void *argument)
{
    const struct race_thread *thread = argument;
    struct race *race = thread->race;
    /* The same store, with a call of its own. */
    struct storage_world own = {.suite = race->world->suite, .guard = race->world->guard};

    call_init(&own.call, "conformance");
    pthread_barrier_wait(&race->start);
    race->run(race, &own, thread->number);
    call_clear(&own.call);
    return NULL;
}

static void race_run(struct race *race)
{
    struct race_thread threads[THREADS];
    pthread_t handles[THREADS];

    pthread_barrier_init(&race->start, NULL, THREADS);
    pthread_mutex_init(&race->apply, NULL);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = (struct race_thread){race, i};
        if (pthread_create(&handles[i], NULL, race_main, &threads[i]) != 0) {
            fprintf(stderr, "iotify-plugin-test: cannot start %d threads\n", THREADS);
            activity_exit(2);
        }
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(handles[i], NULL);
    pthread_barrier_destroy(&race->start);
    pthread_mutex_destroy(&race->apply);
}

static void race_create(struct race *race, struct storage_world *own, int number)
{
    char value[16];

    snprintf(value, sizeof(value), "%d", number);
    for (int i = 0; i < ROUNDS; i++) {
        char key[16];

        snprintf(key, sizeof(key), "k%d", i);
        if (race_write(race, own, IOTIFY_WRITE_CREATE, key, value, NULL) == IOTIFY_RESULT_OK)
            __atomic_add_fetch(&race->won, 1, __ATOMIC_RELAXED);
    }
}

static void race_increment(struct race *race, struct storage_world *own, int number)
{
    (void)number;
    for (int i = 0; i < ROUNDS && !own->suite->why;) {
        const char *before = storage_read(own, "count");
        char next[16];

        if (!suite_check(own->suite, before, "the counter is gone"))
            return;
        snprintf(next, sizeof(next), "%d", atoi(before) + 1);
        i += race_write(race, own, IOTIFY_WRITE_COMPARE_AND_SET, "count", next, before) ==
             IOTIFY_RESULT_OK;
    }
}

static void race_delete(struct race *race, struct storage_world *own, int number)
{
    (void)number;
    if (race_write(race, own, IOTIFY_WRITE_COMPARE_AND_DELETE, "k", NULL, "v") == IOTIFY_RESULT_OK)
        __atomic_add_fetch(&race->won, 1, __ATOMIC_RELAXED);
}

/* Each thread reads back what it wrote, and lists its own keys in order. */
static void race_apart(struct race *race, struct storage_world *own, int number)
{
    struct storage_keys *keys = memory_new(1, sizeof(*keys));
    char prefix[16], key[32];

    snprintf(prefix, sizeof(prefix), "t%02d/", number);
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(key, sizeof(key), "%s%02d", prefix, i);
        race_write(race, own, IOTIFY_WRITE_PUT, key, key, NULL);
        storage_expect(own, key, key);
        storage_scan(own, prefix, NULL, 100, keys);
        suite_check(own->suite, keys->count == (size_t)i + 1, "%zu of %d keys are listed",
            keys->count, i + 1);
    }
    storage_clear_keys(keys);
    free(keys);
}

struct race_case {
    const char *name;
    void (*run)(struct race *race, struct storage_world *own, int number);
    const char *key, *value; /* before; NULL: none */
    int won;
    const char *after; /* NULL: not compared */
};

static const struct race_case race_cases[] = {
    {"64 threads create the same keys", race_create, NULL, NULL, ROUNDS, NULL},
    {"64 threads count by compare and set", race_increment, "count", "0", 0, "640"},
    {"64 threads compare and delete one key", race_delete, "k", "v", 1, NULL},
    {"64 threads write, read and list their own keys", race_apart, NULL, NULL, 0, NULL},
};

struct race_setup {
    const struct race_case *what;
    const void *options;
};

static void race_case(struct suite *suite, const void *data)
{
    const struct race_setup *setup = data;
    struct storage_world world = {.options = setup->options};
    struct race race = {.world = &world, .run = setup->what->run};
    struct storage_keys *keys;

    if (!storage_open(suite, &world))
        return;
    if (setup->what->key)
        storage_write(&world, IOTIFY_WRITE_PUT, setup->what->key, setup->what->value, NULL);
    race_run(&race);
    suite_check(suite, race.won == setup->what->won, "%d writes succeeded, not %d", race.won,
        setup->what->won);
    if (setup->what->after)
        storage_expect(&world, setup->what->key, setup->what->after);
    keys = memory_new(1, sizeof(*keys));
    storage_scan(&world, "", NULL, STORAGE_KEYS_MAX, keys);
    for (size_t i = 0; i < keys->count; i++)
        storage_write(&world, IOTIFY_WRITE_DELETE, keys->items[i], NULL, NULL);
    storage_clear_keys(keys);
    free(keys);
    storage_close(&world);
}

/* After a stop, an operation ends within two seconds: done, or CANCELLED. */
static void race_stopped(struct suite *suite, const void *data)
{
    struct storage_world world = {.options = data};
    struct iotify_write write = {.kind = IOTIFY_WRITE_PUT, .key = "k", .value = {"v", 1}};
    enum iotify_result result;
    int64_t began;

    if (!storage_open(suite, &world))
        return;
    raise(SIGTERM);
    began = clock_now();
    result = guard_apply(world.guard, &world.call, &write, 1);
    suite_check(suite, result == IOTIFY_RESULT_OK || result == IOTIFY_RESULT_CANCELLED,
        "apply() failed: %s", call_message(&world.call, result));
    suite_check(suite, clock_now() - began < 2 * SECOND, "apply() took over 2 s after a stop");
    write = (struct iotify_write){.kind = IOTIFY_WRITE_DELETE, .key = "k"};
    guard_apply(world.guard, &world.call, &write, 1);
    storage_close(&world);
    stop_forget();
}

void storage_race_cases(struct suite *suite, const void *options)
{
    for (size_t i = 0; i < sizeof(race_cases) / sizeof(race_cases[0]); i++) {
        const struct race_setup setup = {&race_cases[i], options};

        suite_case(suite, race_cases[i].name, race_case, &setup);
    }
    suite_case(suite, "a stop is obeyed", race_stopped, options);
}
