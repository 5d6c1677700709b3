/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durability: another process writes, and is killed at a random moment. What it had reported as
 * done is in the store; of the write in flight, all or nothing; and nothing else.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conformance/storage_internal.h"

#include "core/base/activity.h"

/* Keys that a writer changes in turn; the value is the number of the write. */
#define KEYS 8
#define KILLS_FEW 20
#define KILLS_MANY 200

static void kill_key(char *key, size_t size, long number)
{
    snprintf(key, size, "kill/%ld", number % KEYS);
}

/* The writes of generation N begin at N million. A batch of two: a pair never differs. */
int storage_suite_writer(struct suite *suite, const char *generation)
{
    struct storage_world world = {
        .options = suite_bind(suite, suite->plugin->descriptor.settings, NULL)};
    long number = strtol(generation, NULL, 10) * 1000000;

    if (!storage_open(suite, &world)) {
        fprintf(stderr, "iotify-plugin-test: %s\n", suite->why);
        return 2;
    }
    for (;; number++) {
        char key[32], pair[40], value[32];
        struct iotify_write writes[2] = {{.kind = IOTIFY_WRITE_PUT, .key = key},
            {.kind = IOTIFY_WRITE_PUT, .key = pair, .with_previous = true}};

        kill_key(key, sizeof(key), number);
        snprintf(pair, sizeof(pair), "%s/pair", key);
        snprintf(value, sizeof(value), "%ld", number);
        writes[0].value = writes[1].value = (struct iotify_bytes){value, strlen(value)};
        if (guard_apply(world.guard, &world.call, writes, 2) != IOTIFY_RESULT_OK)
            return 2;
        if (write(STDOUT_FILENO, &number, sizeof(number)) != sizeof(number))
            return 2;
        arena_reset(&world.call.arena);
    }
}

/* What is in the store for each key, as far as the writers have reported. */
struct kill_state {
    const void *options;
    long done[KEYS]; /* the last write that was reported; -1: none */
    int generation;
};

static pid_t kill_start(struct suite *suite, int generation, int *out)
{
    char number[16], **arguments = memory_new((size_t)suite->argument_count + 3, sizeof(char *));
    int ends[2], count = 0;
    pid_t child;

    snprintf(number, sizeof(number), "%d", generation);
    arguments[count++] = (char *)suite->program;
    for (int i = 1; i < suite->argument_count; i++)
        arguments[count++] = suite->arguments[i];
    arguments[count++] = (char *)"--writer";
    arguments[count++] = number;
    if (pipe(ends) != 0)
        activity_exit(2);
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(suite->program, arguments);
        _exit(127);
    }
    close(ends[1]);
    free(arguments);
    *out = ends[0];
    return child;
}

/* Let it write for a while, kill it, and read what it has reported until then. */
static bool kill_one(struct suite *suite, struct kill_state *state, unsigned *random)
{
    struct timespec pause = {.tv_nsec = rand_r(random) % 20000000};
    long number, count = 0;
    int from, status;
    pid_t child = kill_start(suite, ++state->generation, &from);

    while (read(from, &number, sizeof(number)) == sizeof(number)) {
        state->done[number % KEYS] = number;
        if (count++ == 0) {
            nanosleep(&pause, NULL);
            kill(child, SIGKILL);
        }
    }
    close(from);
    waitpid(child, &status, 0);
    return suite_check(suite, count > 0 && WIFSIGNALED(status),
        "the writing process ended by itself, with status %d", WEXITSTATUS(status));
}

/* The number in the store; -1: the key is absent. */
static long kill_read(struct storage_world *world, const char *key)
{
    const char *value = storage_read(world, key);

    return value ? strtol(value, NULL, 10) : -1;
}

static void kill_verify(struct suite *suite, struct kill_state *state)
{
    bool atomic = suite->plugin->storage.atomic_batch;
    struct storage_world world = {.options = state->options};
    int ahead = 0;
    long last = -1;

    if (!storage_open(suite, &world))
        return;
    for (long i = 0; i < KEYS; i++)
        last = state->done[i] > last ? state->done[i] : last;
    for (long i = 0; i < KEYS; i++) {
        char key[32], pair[40];
        long found, other;

        kill_key(key, sizeof(key), i);
        snprintf(pair, sizeof(pair), "%s/pair", key);
        found = kill_read(&world, key);
        other = kill_read(&world, pair);
        suite_check(suite, found >= state->done[i],
            "write %ld of %s was reported as done, and is lost: %ld is there", state->done[i], key,
            found);
        suite_check(suite, found == state->done[i] || found == last + 1,
            "%s has the value %ld, which was not written last", key, found);
        suite_check(suite, !atomic || found == other,
            "half of a batch was written: %ld and %ld, and the plugin declares atomic_batch", found,
            other);
        ahead += found != state->done[i];
        state->done[i] = found;
    }
    suite_check(suite, ahead <= 1, "%d writes that were not reported are there", ahead);
    storage_close(&world);
}

static void kill_case(struct suite *suite, const void *data)
{
    struct kill_state state = {.options = data};
    int kills = suite->durability ? KILLS_MANY : KILLS_FEW;
    struct storage_world world = {.options = data};
    unsigned random = 1;

    if (suite->plugin->storage.durability != IOTIFY_DURABILITY_DURABLE) {
        suite_skip(suite, "the plugin is volatile");
        return;
    }
    for (int i = 0; i < KEYS; i++)
        state.done[i] = -1;
    for (int i = 0; i < kills && !suite->why && kill_one(suite, &state, &random); i++)
        kill_verify(suite, &state);
    if (!storage_open(suite, &world))
        return;
    for (long i = 0; i < KEYS; i++) {
        char key[32], pair[40];

        kill_key(key, sizeof(key), i);
        snprintf(pair, sizeof(pair), "%s/pair", key);
        storage_write(&world, IOTIFY_WRITE_DELETE, key, NULL, NULL);
        storage_write(&world, IOTIFY_WRITE_DELETE, pair, NULL, NULL);
    }
    storage_close(&world);
}

void storage_kill_cases(struct suite *suite, const void *options)
{
    suite_case(suite,
        arena_format(&suite->arena, "what is reported as done survives SIGKILL, %d times",
            suite->durability ? KILLS_MANY : KILLS_FEW),
        kill_case, options);
}
