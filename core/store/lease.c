/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/lease.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"

#define VALID_SECONDS 60
#define RENEW (15 * SECOND)
#define TRIES_MAX 3
#define HOME_SIZE 160

struct lease {
    struct store *store;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t ending;
    bool ended; /* protected by the mutex */
    char *text; /* as written in the store; owned by the thread until it has ended */
};

/* ------------------------------------------------------------------ identity of the process */

/* The first line of a file; "" when it cannot be read. */
static void lease_read_line(const char *path, char *text, size_t size)
{
    FILE *stream = fopen(path, "re");

    text[0] = '\0';
    if (stream && !fgets(text, (int)size, stream))
        text[0] = '\0';
    if (stream)
        fclose(stream);
    text[strcspn(text, "\n")] = '\0';
}

/*
 * The start time of a process in ticks since boot; it distinguishes processes with the same pid. 0:
 * unknown; -1: the process has ended and its parent has not collected its status yet.
 */
static long long lease_started_at(long pid)
{
    char path[64], line[1024];
    const char *at;
    long long ticks = 0;

    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    lease_read_line(path, line, sizeof(line));
    /*
     * The name in parentheses may contain any character; the start time is the 20th field after the
     * state.
     */
    at = strrchr(line, ')');
    if (at && (strncmp(at, ") Z", 3) == 0 || strncmp(at, ") X", 3) == 0))
        return -1;
    for (int i = 0; at && i < 20; i++)
        at = strchr(at + 1, ' ');
    if (at)
        ticks = strtoll(at, NULL, 10);
    return ticks;
}

/* The scope in which pids are unique: this boot of the machine, and this pid namespace. */
static void lease_boot(char text[HOME_SIZE])
{
    char boot[64], space[64] = "";

    lease_read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
    if (readlink("/proc/self/ns/pid", space, sizeof(space) - 1) < 0)
        space[0] = '\0';
    snprintf(text, HOME_SIZE, "%s %s", boot, space);
}

/* The content of this process's lease. */
static char *lease_text(void)
{
    char boot[HOME_SIZE], host[128] = "";
    json_t *json;
    char *text;

    lease_boot(boot);
    gethostname(host, sizeof(host) - 1);
    json = json_pack("{s:s?, s:s, s:I, s:I, s:I}", "host", host, "home", boot, "pid",
        (json_int_t)getpid(), "started", (json_int_t)lease_started_at(getpid()), "expires",
        (json_int_t)time(NULL) + VALID_SECONDS);
    text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(json);
    if (!text)
        abort();
    return text;
}

/* True when the lease that `json` describes may be taken over. */
static bool lease_is_over(const json_t *json)
{
    const char *where = json_string_value(json_object_get(json, "home"));
    long pid = (long)json_integer_value(json_object_get(json, "pid"));
    char own_home[HOME_SIZE];
    long long started;

    if (json_integer_value(json_object_get(json, "expires")) < (json_int_t)time(NULL))
        return true;
    lease_boot(own_home);
    if (!where || strcmp(where, own_home) != 0)
        return false;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
        return true;
    started = lease_started_at(pid);
    return started != 0 && started != json_integer_value(json_object_get(json, "started"));
}

/* ------------------------------------------------------------------ renewing */

static enum iotify_result lease_write(
    struct lease *lease, struct call *call, struct iotify_bytes expected, char *text)
{
    struct iotify_write write = {
        .kind = expected.data ? IOTIFY_WRITE_COMPARE_AND_SET : IOTIFY_WRITE_CREATE,
        .key = store_note_key(call, "lease"),
        .value = {text, strlen(text)},
        .expected = expected};
    enum iotify_result result = store_apply(lease->store, call, &write, 1);

    return result == IOTIFY_RESULT_OK ? write.result : result;
}

static void lease_renew(struct lease *lease)
{
    char *text = lease_text();
    struct call call;

    call_init(&call, "lease");
    if (lease_write(lease, &call, (struct iotify_bytes){lease->text, strlen(lease->text)}, text) ==
        IOTIFY_RESULT_OK) {
        free(lease->text);
        lease->text = text;
    } else {
        log_write(IOTIFY_LOG_WARNING, "store",
            "the lease of the store could not be renewed; does another iotifyd work with it?");
        free(text);
    }
    call_clear(&call);
}

static void *lease_keep(void *argument)
{
    struct lease *lease = argument;
    int64_t next = clock_now() + RENEW;

    pthread_mutex_lock(&lease->mutex);
    while (!lease->ended) {
        clock_condition_wait(&lease->ending, &lease->mutex, next);
        if (lease->ended || clock_now() < next)
            continue;
        pthread_mutex_unlock(&lease->mutex);
        lease_renew(lease);
        pthread_mutex_lock(&lease->mutex);
        next = clock_now() + RENEW;
    }
    pthread_mutex_unlock(&lease->mutex);
    return NULL;
}

/* ------------------------------------------------------------------ taking */

static enum iotify_result lease_refuse(struct call *call, const json_t *json)
{
    const char *host = json_string_value(json_object_get(json, "host"));

    return call_fail(&call->base, IOTIFY_RESULT_CONFLICT, "StoreInUse",
        "another iotifyd (process %lld on %s) works with this store; wait for it to end, or stop "
        "it",
        (long long)json_integer_value(json_object_get(json, "pid")), host ? host : "?");
}

/* Try once. IOTIFY_RESULT_EXISTS or IOTIFY_RESULT_CONFLICT without a message when another run was
 * faster. */
static enum iotify_result lease_try(struct lease *lease, struct call *call, bool *refused)
{
    struct iotify_bytes current = {0};
    enum iotify_result result =
        store_get(lease->store, call, store_note_key(call, "lease"), &current);
    json_t *json;

    if (result == IOTIFY_RESULT_NOT_FOUND)
        return lease_write(lease, call, (struct iotify_bytes){0}, lease->text);
    if (result != IOTIFY_RESULT_OK)
        return result;
    json = json_loadb(current.data, current.size, 0, NULL);
    *refused = json && !lease_is_over(json);
    result = *refused ? lease_refuse(call, json) : lease_write(lease, call, current, lease->text);
    json_decref(json);
    return result;
}

enum iotify_result lease_take(struct store *store, struct call *call, struct lease **out)
{
    struct lease *lease;
    enum iotify_result result = IOTIFY_RESULT_CONFLICT;
    bool refused = false;

    *out = NULL;
    if (!store_durable(store))
        return IOTIFY_RESULT_OK;
    lease = memory_new(1, sizeof(*lease));
    lease->store = store;
    lease->text = lease_text();
    for (int i = 0; i < TRIES_MAX && !refused &&
                    (result == IOTIFY_RESULT_CONFLICT || result == IOTIFY_RESULT_EXISTS);
         i++)
        result = lease_try(lease, call, &refused);
    if (result == IOTIFY_RESULT_OK) {
        pthread_mutex_init(&lease->mutex, NULL);
        clock_condition_init(&lease->ending);
        if (pthread_create(&lease->thread, NULL, lease_keep, lease) == 0) {
            *out = lease;
            return IOTIFY_RESULT_OK;
        }
        result = call_fail(&call->base, IOTIFY_RESULT_FAILED, "NoThread", "cannot start a thread");
    }
    free(lease->text);
    free(lease);
    return result;
}

void lease_drop(struct lease *lease)
{
    struct iotify_write write = {.kind = IOTIFY_WRITE_COMPARE_AND_DELETE};
    struct call call;

    if (!lease)
        return;
    pthread_mutex_lock(&lease->mutex);
    lease->ended = true;
    pthread_cond_signal(&lease->ending);
    pthread_mutex_unlock(&lease->mutex);
    pthread_join(lease->thread, NULL);
    call_init(&call, "lease");
    write.key = store_note_key(&call, "lease");
    write.expected = (struct iotify_bytes){lease->text, strlen(lease->text)};
    store_apply(lease->store, &call, &write, 1);
    call_clear(&call);
    pthread_cond_destroy(&lease->ending);
    pthread_mutex_destroy(&lease->mutex);
    free(lease->text);
    free(lease);
}
