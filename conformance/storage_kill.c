/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durability: another process writes, and is killed at a random moment, or before one of its system
 * calls. What it had reported as done is in the store; of the write in flight, all or nothing; and
 * nothing else.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conformance/storage_internal.h"

#include "conformance/system_calls.h"
#include "core/base/activity.h"
#include "core/base/clock.h"

/* Keys that a writer changes in turn; the value is the number of the write. */
#define KEYS 8
#define KILLS_FEW 20
#define KILLS_MANY 200
/* System calls of a writer that it is killed before, one after the other. */
#define CALLS_FEW 24
#define CALLS_MANY 80
/* For a writer to get there, before it is killed from outside, in milliseconds. */
#define LAST_CALL_WAIT 300
/* Where a writer finds the number of its last system call; 0: it is killed from outside. */
#define CALL_VARIABLE "IOTIFY_CONFORMANCE_LAST_CALL"

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
    const char *given = getenv(CALL_VARIABLE);
    unsigned long last_call = given ? strtoul(given, NULL, 10) : 0;

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
        if (syscall(SYS_write, STDOUT_FILENO, &number, sizeof(number)) != sizeof(number))
            return 2;
        if (last_call)
            system_calls_die_at(last_call);
        last_call = 0;
        arena_reset(&world.call.arena);
    }
}

/* What is in the store for each key, as far as the writers have reported. */
struct kill_state {
    const void *options;
    long done[KEYS]; /* the last write that was reported; -1: none */
    int generation;
};

/* Nothing is written yet. */
static struct kill_state kill_begin(const void *options)
{
    struct kill_state state = {.options = options};

    for (int i = 0; i < KEYS; i++)
        state.done[i] = -1;
    return state;
}

static pid_t kill_start(struct suite *suite, int generation, int last_call, int *out)
{
    char number[16], last[16],
        **arguments = memory_new((size_t)suite->argument_count + 3, sizeof(char *));
    int ends[2], count = 0;
    pid_t child;

    snprintf(number, sizeof(number), "%d", generation);
    snprintf(last, sizeof(last), "%d", last_call);
    setenv(CALL_VARIABLE, last, 1);
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

/* Read what a writer reports, for as long as that or, -1, until it has ended. */
static long kill_listen(struct kill_state *state, int from, int milliseconds)
{
    struct pollfd ready = {.fd = from, .events = POLLIN};
    int64_t until = clock_now() + milliseconds * MILLISECOND;
    long number, count = 0;

    for (;;) {
        int64_t left = (until - clock_now()) / MILLISECOND;

        if (milliseconds >= 0 && (left < 0 || poll(&ready, 1, (int)left) == 0))
            return count;
        if (read(from, &number, sizeof(number)) != sizeof(number))
            return count;
        state->done[number % KEYS] = number;
        count++;
    }
}

/*
 * Let it write until its last call, or for a while; one that makes no such calls is killed, too.
 * Read what it has reported until then.
 */
static bool kill_one(struct suite *suite, struct kill_state *state, int last_call, int milliseconds)
{
    int from, status;
    pid_t child = kill_start(suite, ++state->generation, last_call, &from);
    long number, count = 0;

    if (read(from, &number, sizeof(number)) == sizeof(number)) {
        state->done[number % KEYS] = number;
        count = 1 + kill_listen(state, from, milliseconds);
        kill(child, SIGKILL);
    }
    kill_listen(state, from, -1);
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
        suite_check(suite, found >= 0 || state->done[i] < 0,
            "the key %s was reported as written, and is not there", key);
        suite_check(suite, found >= state->done[i],
            "write %ld of the key %s was reported as done, and is lost: %ld is there",
            state->done[i], key, found);
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

static bool kill_is_volatile(struct suite *suite)
{
    bool is_volatile = suite->plugin->storage.durability != IOTIFY_DURABILITY_DURABLE;

    if (is_volatile)
        suite_skip(suite, "the plugin is volatile");
    return is_volatile;
}

static void kill_clean_up(struct suite *suite, const void *options)
{
    struct storage_world world = {.options = options};

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

static void kill_case(struct suite *suite, const void *data)
{
    struct kill_state state = kill_begin(data);
    int kills = suite->durability ? KILLS_MANY : KILLS_FEW;
    unsigned random = 1;

    if (kill_is_volatile(suite))
        return;
    for (int i = 0; i < kills && !suite->why && kill_one(suite, &state, 0, rand_r(&random) % 20);
         i++)
        kill_verify(suite, &state);
    kill_clean_up(suite, data);
}

/* The moments between the parts of a batch, which random ones seldom meet. */
static void kill_at_calls(struct suite *suite, const void *data)
{
    struct kill_state state = kill_begin(data);
    int calls = suite->durability ? CALLS_MANY : CALLS_FEW;

    if (kill_is_volatile(suite))
        return;
    for (int i = 1; i <= calls && !suite->why && kill_one(suite, &state, i, LAST_CALL_WAIT); i++)
        kill_verify(suite, &state);
    if (suite->why)
        suite->why = arena_format(&suite->arena,
            "%s (killed before system call %d, as strace shows them: write, fsync, rename and the "
            "like)",
            suite->why, state.generation);
    kill_clean_up(suite, data);
}

/* ------------------------------------------------------------------ other processes, the disk */

/* What a second process reports as done is there, too; it may as well be refused. */
static void kill_two_processes(struct suite *suite, const void *data)
{
    struct kill_state state = kill_begin(data);
    struct storage_world world = {.options = data};
    const struct timespec pause = {.tv_nsec = 2000000};
    bool done = false;
    long number;
    int from, status;
    pid_t child;

    if (kill_is_volatile(suite))
        return;
    child = kill_start(suite, ++state.generation, 0, &from);
    if (read(from, &number, sizeof(number)) == sizeof(number))
        state.done[number % KEYS] = number;
    for (int i = 0; i < 5; i++) {
        struct iotify_write write = {
            .kind = IOTIFY_WRITE_PUT, .key = "second", .value = {"here", 4}};
        struct guard guard;

        call_init(&world.call, "conformance");
        if (guard_open(&guard, &world.call, suite->plugin, data) == IOTIFY_RESULT_OK) {
            for (int j = 0; j < 3; j++)
                done |= guard_apply(&guard, &world.call, &write, 1) == IOTIFY_RESULT_OK;
            guard_close(&guard);
        }
        call_clear(&world.call);
        nanosleep(&pause, NULL);
    }
    kill(child, SIGKILL);
    kill_listen(&state, from, -1);
    close(from);
    waitpid(child, &status, 0);
    suite_check(suite, WIFSIGNALED(status), "the first process ended by itself, with status %d",
        WEXITSTATUS(status));
    kill_verify(suite, &state);
    if (storage_open(suite, &world)) {
        storage_expect(&world, "second", done ? "here" : NULL);
        storage_write(&world, IOTIFY_WRITE_DELETE, "second", NULL, NULL);
        storage_close(&world);
    }
    kill_clean_up(suite, data);
}

/* A plugin that verifies its durability has a server that does it. */
static void kill_synced(struct suite *suite, const void *data)
{
    struct storage_world world = {.options = data};

    if (kill_is_volatile(suite))
        return;
    if (!storage_open(suite, &world))
        return;
    storage_write(&world, IOTIFY_WRITE_PUT, "k", "v", NULL);
    system_calls_forget();
    storage_write(&world, IOTIFY_WRITE_PUT, "k", "w", NULL);
    if (system_calls_seen() == 0)
        suite_skip(suite, "the plugin changes no files by functions that the suite sees");
    suite_check(suite, !system_calls_unsynced(),
        "apply(), and flush(), changed a file or a folder and did not sync it afterwards: a loss "
        "of power loses the write");
    storage_write(&world, IOTIFY_WRITE_DELETE, "k", NULL, NULL);
    storage_close(&world);
}

/* ------------------------------------------------------------------ a disk that fails */

/* The value of both keys, when they have one; "?": a read fails, "/": they differ. */
static const char *kill_fail_read(struct storage_world *world)
{
    struct iotify_read reads[2] = {{.key = "fail/1"}, {.key = "fail/2"}};

    if (guard_get_many(world->guard, &world->call, reads, 2) != IOTIFY_RESULT_OK)
        return "?";
    if (reads[0].result != IOTIFY_RESULT_OK || reads[1].result != IOTIFY_RESULT_OK)
        return "absent";
    return strcmp(reads[0].value.data, reads[1].value.data) == 0 ? reads[0].value.data : "/";
}

static enum iotify_result kill_fail_write(struct storage_world *world, const char *value)
{
    struct iotify_write writes[2] = {
        {.kind = IOTIFY_WRITE_PUT, .key = "fail/1"}, {.kind = IOTIFY_WRITE_PUT, .key = "fail/2"}};

    writes[0].value = writes[1].value = (struct iotify_bytes){value, strlen(value)};
    return guard_apply(world->guard, &world->call, writes, 2);
}

/* One call fails in a batch: what is read then is what was reported, now and after closing. */
static bool kill_fail_at(struct suite *suite, const void *options, unsigned long call, int error)
{
    static const char *const when[] = {"before", "after"};
    struct storage_world world = {.options = options};
    enum iotify_result result;
    bool came;

    if (!storage_open(suite, &world))
        return false;
    result = kill_fail_write(&world, "old");
    suite_check(
        suite, result == IOTIFY_RESULT_OK, "apply() failed: %s", call_message(&world.call, result));
    system_calls_fail_at(call, error);
    result = kill_fail_write(&world, "new");
    came = system_calls_failed();
    system_calls_fail_at(0, 0);
    for (int i = 0; i < 2 && !suite->why; i++) {
        const char *found = kill_fail_read(&world),
                   *wanted = result == IOTIFY_RESULT_OK ? "new" : "old";
        bool open = result != IOTIFY_RESULT_OK &&
                    (!suite->plugin->storage.atomic_batch || strcmp(found, "?") == 0);

        suite_check(suite, strcmp(found, wanted) == 0 || (open && (i == 0 || *found != '?')),
            "call %lu of apply(), such as write() or fsync(), failed with %s; apply() returned %s, "
            "and %s closing the store the value is %s, not %s",
            call, error ? strerrorname_np(error) : "half of the bytes written",
            call_result_name(result), when[i], found, wanted);
        storage_close(&world);
        if (i == 0 && !storage_open(suite, &world))
            return false;
    }
    storage_close(&world);
    return came;
}

static void kill_failing_disk(struct suite *suite, const void *data)
{
    static const int errors[] = {ENOSPC, EIO, 0};
    struct storage_world world = {.options = data};

    if (kill_is_volatile(suite))
        return;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        for (unsigned long call = 1; call <= CALLS_FEW && !suite->why; call++)
            if (!kill_fail_at(suite, data, call, errors[i]))
                break;
    if (!storage_open(suite, &world))
        return;
    storage_write(&world, IOTIFY_WRITE_DELETE, "fail/1", NULL, NULL);
    storage_write(&world, IOTIFY_WRITE_DELETE, "fail/2", NULL, NULL);
    storage_close(&world);
}

void storage_kill_cases(struct suite *suite, const void *options)
{
    suite_case(suite, "what is reported as done is on the disk", kill_synced, options);
    suite_case(suite, "a disk that fails", kill_failing_disk, options);
    suite_case(suite, "two processes", kill_two_processes, options);
    suite_case(suite,
        arena_format(&suite->arena, "SIGKILL before each of %d system calls",
            suite->durability ? CALLS_MANY : CALLS_FEW),
        kill_at_calls, options);
    suite_case(suite,
        arena_format(&suite->arena, "what is reported as done survives SIGKILL, %d times",
            suite->durability ? KILLS_MANY : KILLS_FEW),
        kill_case, options);
}
