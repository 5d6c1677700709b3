/* SPDX-License-Identifier: Apache-2.0 */
/* The host functions for a call inside a run: pacing, retries, the store. */
#include "core/pipeline/host.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/activity.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/pipeline/run.h"

/* A transient error is retried a few times; throttling gets more retries. */
#define TRIES_TRANSIENT 5
#define TRIES_THROTTLED 20
#define BACKOFF_MAX (20 * SECOND)
/* How soon a wait notices a stop request. */
#define WAIT_SLICE (50 * MILLISECOND)
/* Records written in one commit. */
#define RECORDS_MAX 200

static struct call *host_call_of(struct iotify_call *call)
{
    return (struct call *)call;
}

static struct run_context *host_context(struct iotify_call *call)
{
    return host_call_of(call)->context;
}

/* ------------------------------------------------------------------ perform */

/* The connector called a function of the host against the contract. */
static enum iotify_result host_fault(
    struct iotify_call *call, const char *function, const char *what)
{
    const struct run_connection *connection = host_context(call)->connection;

    return call_fault(host_call_of(call),
        connection ? connection->plugin->plugin->name : "a plugin", function, "was called %s",
        what);
}

static enum iotify_result host_cancelled(struct iotify_call *call)
{
    return call_fail(call, IOTIFY_RESULT_CANCELLED, "Cancelled", "interrupted");
}

static bool host_sleep_until(int64_t moment)
{
    for (;;) {
        int64_t left = moment - clock_now();
        struct timespec pause;

        if (stop_requested())
            return false;
        if (left <= 0)
            return true;
        if (left > WAIT_SLICE)
            left = WAIT_SLICE;
        pause = (struct timespec){.tv_nsec = left};
        nanosleep(&pause, NULL);
    }
}

/* The plugin does not wait then: the host does. */
static bool host_wait_until(int64_t moment)
{
    struct activity before = activity_pause();
    bool waited = host_sleep_until(moment);

    activity_end(before);
    return waited;
}

/* Full jitter: between 0 and a ceiling that doubles with each attempt. */
static int64_t host_backoff(int attempt, int64_t at_least)
{
    static _Thread_local unsigned seed;
    double ceiling = (double)SECOND / 4 * pow(2, attempt);
    int64_t pause;

    if (seed == 0)
        seed = (unsigned)clock_now() ^ (unsigned)(uintptr_t)&seed;
    if (ceiling > (double)BACKOFF_MAX)
        ceiling = (double)BACKOFF_MAX;
    pause = (int64_t)((double)rand_r(&seed) / (double)RAND_MAX * ceiling);
    return pause > at_least ? pause : at_least;
}

/* Each kind of failure has its own count. */
struct host_tries {
    int throttled, transient;
};

static bool host_may_retry(struct iotify_call *call, enum iotify_result result, struct pacer *pacer,
    struct host_tries *tries)
{
    if (result == IOTIFY_RESULT_THROTTLED)
        return ++tries->throttled < TRIES_THROTTLED;
    if (result != IOTIFY_RESULT_TRANSIENT || ++tries->transient >= TRIES_TRANSIENT)
        return false;
    if (!pacer || pacer_may_repeat(pacer))
        return true;
    call_log(call, IOTIFY_LOG_DEBUG, "no repeat: too many calls of this run failed");
    return false;
}

static void host_learn_quota(const struct run_context *context, struct pacer *pacer,
    const char *operation, int64_t started, enum iotify_result result)
{
    if (result == IOTIFY_RESULT_THROTTLED && context->counters)
        atomic_fetch_add(&context->counters->throttled, 1);
    if (!pacer)
        return;
    if (result != IOTIFY_RESULT_TRANSIENT)
        pacer_report(pacer, operation, started, result == IOTIFY_RESULT_THROTTLED);
    if (result == IOTIFY_RESULT_OK || result == IOTIFY_RESULT_UNCHANGED)
        pacer_earn(pacer);
}

static enum iotify_result host_perform(struct iotify_call *call, const char *operation,
    enum iotify_result (*function)(struct iotify_call *call, void *argument), void *argument)
{
    const struct run_context *context = host_context(call);
    struct pacer *pacer = context->connection ? context->connection->pacer : NULL;
    struct host_tries tries = {0};

    if (!operation || !*operation || !function)
        return host_fault(call, "perform", "without an operation or a function");
    for (int attempt = 1;; attempt++) {
        int64_t now = clock_now(), pause;
        enum iotify_result result;

        if (!host_wait_until(pacer ? pacer_take(pacer, operation, now) : now))
            return host_cancelled(call);
        host_call_of(call)->retry_after = 0;
        now = clock_now();
        result = function(call, argument);
        host_learn_quota(context, pacer, operation, now, result);
        if (!host_may_retry(call, result, pacer, &tries))
            return result;
        if (context->counters)
            atomic_fetch_add(&context->counters->retried, 1);
        if (pacer)
            pacer_repeat(pacer, operation);
        pause = host_backoff(attempt, host_call_of(call)->retry_after);
        call_log(call, IOTIFY_LOG_DEBUG, "%s: %s; again in %.1f s", operation,
            call_message(host_call_of(call), result), (double)pause / (double)SECOND);
        if (result == IOTIFY_RESULT_THROTTLED && pacer)
            pacer_hold(pacer, operation, clock_now() + host_call_of(call)->retry_after);
        if (!host_wait_until(clock_now() + pause))
            return host_cancelled(call);
    }
}

static enum iotify_result host_wait(struct iotify_call *call, int64_t nanoseconds)
{
    return host_wait_until(clock_now() + nanoseconds) ? IOTIFY_RESULT_OK : host_cancelled(call);
}

/* ------------------------------------------------------------------ glob and records */

static enum iotify_result host_read_glob(
    struct run *run, struct call *call, const char *key, struct iotify_bytes *out)
{
    const char *mapped = store_glob_key(call, key);

    return mapped ? store_get(run->store, call, mapped, out) : IOTIFY_RESULT_INVALID;
}

/* An element of an array of the connector, which may be of another size than the host's. */
static void *host_element(const void *array, size_t size, size_t index)
{
    return (char *)array + size * index;
}

static size_t host_write_size(struct iotify_call *call)
{
    const struct run_connection *connection = host_context(call)->connection;

    return connection ? connection->plugin->plugin->connector.write_size
                      : sizeof(struct iotify_write);
}

static bool host_check_write(struct call *call, const struct iotify_write *write)
{
    const char *wrong = NULL;

    if (!write->key || !*write->key)
        wrong = "with a write that has no key";
    else if (write->kind < IOTIFY_WRITE_PUT || write->kind > IOTIFY_WRITE_COMPARE_AND_DELETE)
        wrong = "with a write whose kind is not valid";
    else if ((!write->value.data && write->value.size) ||
             (!write->expected.data && write->expected.size))
        wrong = "with a write whose value is NULL and has a size";
    if (wrong)
        host_fault(&call->base, "glob_apply", wrong);
    return !wrong;
}

/* Copy writes with the store's keys, after `first` free entries. NULL after a failure. */
static struct iotify_write *host_map_writes(
    struct call *call, const struct iotify_write *writes, size_t count, size_t first)
{
    struct iotify_write *mapped = arena_array(&call->arena, first + count, sizeof(*mapped));
    size_t size = host_write_size(&call->base);

    for (size_t i = 0; i < count; i++) {
        struct iotify_write *write = &mapped[first + i];

        memcpy(write, host_element(writes, size, i), size < sizeof(*write) ? size : sizeof(*write));
        if (!host_check_write(call, write))
            return NULL;
        write->key = store_glob_key(call, write->key);
        if (!write->key)
            return NULL;
    }
    return mapped;
}

static enum iotify_result host_write_glob(
    struct run *run, struct call *call, struct iotify_write *writes, size_t count)
{
    struct iotify_write *mapped = host_map_writes(call, writes, count, 0);
    enum iotify_result result;

    if (!mapped)
        return IOTIFY_RESULT_INVALID;
    if (run->planning)
        return IOTIFY_RESULT_OK;
    result = store_apply(run->store, call, mapped, count);
    for (size_t i = 0; i < count; i++)
        ((struct iotify_write *)host_element(writes, host_write_size(&call->base), i))->result =
            mapped[i].result;
    return result;
}

/* Note when the store cannot be written: the step then ends. */
static enum iotify_result host_record_written(struct iotify_call *call, enum iotify_result result)
{
    if (result == IOTIFY_RESULT_FULL || result == IOTIFY_RESULT_FAILED ||
        result == IOTIFY_RESULT_DENIED)
        host_context(call)->store_failed = true;
    return result;
}

static enum iotify_result host_glob_get(
    struct iotify_call *call, const char *key, struct iotify_bytes *out)
{
    *out = (struct iotify_bytes){0};
    if (!key || !*key)
        return host_fault(call, "glob_get", "without a key");
    return host_read_glob(host_context(call)->run, host_call_of(call), key, out);
}

static enum iotify_result host_glob_apply(
    struct iotify_call *call, struct iotify_write *writes, size_t count)
{
    return host_record_written(
        call, host_write_glob(host_context(call)->run, host_call_of(call), writes, count));
}

static const char *host_record_key(struct iotify_call *call)
{
    const struct run_connection *connection = host_context(call)->connection;

    if (!connection || !connection->realm) {
        call_fail(call, IOTIFY_RESULT_FAILED, "NoRecord", "this call has no record");
        return NULL;
    }
    if (call->client < 0)
        return store_job_record_key(
            host_call_of(call), connection->plugin->alias, connection->realm);
    return store_record_key(
        host_call_of(call), connection->plugin->alias, connection->realm, call->client);
}

static enum iotify_result host_record_get(struct iotify_call *call, struct iotify_bytes *out)
{
    const char *key = host_record_key(call);

    *out = (struct iotify_bytes){0};
    return key ? store_get(host_context(call)->run->store, host_call_of(call), key, out)
               : IOTIFY_RESULT_FAILED;
}

static enum iotify_result host_record_set(struct iotify_call *call, struct iotify_bytes expected,
    struct iotify_bytes value, struct iotify_write *globs, size_t count)
{
    struct iotify_write *writes = host_map_writes(host_call_of(call), globs, count, 1);
    const char *key = host_record_key(call);
    enum iotify_result result;

    if (!key || !writes)
        return IOTIFY_RESULT_FAILED;
    if (host_context(call)->run->planning)
        return IOTIFY_RESULT_OK;
    writes[0] = (struct iotify_write){.key = key, .value = value, .expected = expected};
    if (value.size == 0)
        writes[0].kind = IOTIFY_WRITE_COMPARE_AND_DELETE;
    else
        writes[0].kind = expected.data ? IOTIFY_WRITE_COMPARE_AND_SET : IOTIFY_WRITE_CREATE;
    for (size_t i = 1; i <= count; i++)
        writes[i].with_previous = true;
    result = host_record_written(
        call, store_apply(host_context(call)->run->store, host_call_of(call), writes, count + 1));
    if (result == IOTIFY_RESULT_OK && writes[0].result != IOTIFY_RESULT_OK)
        return call_fail(call, IOTIFY_RESULT_CONFLICT, "RecordChanged",
            "another iotifyd works on this client with the same store; wait for it to end");
    return result;
}

static enum iotify_result host_records(struct iotify_call *call,
    enum iotify_result (*found)(void *argument, const struct iotify_record *record), void *argument)
{
    const struct run_connection *connection = host_context(call)->connection;

    if (!found)
        return host_fault(call, "records", "without `found`");
    return store_each_record(host_context(call)->run->store, host_call_of(call),
        connection->plugin->alias, connection->realm, found, argument);
}

/* The aliases of the plugin with the realm of this call; one that was not used yet has it too. */
static enum iotify_result host_all_records(struct iotify_call *call,
    enum iotify_result (*found)(void *argument, const struct iotify_record *record), void *argument)
{
    const struct run *run = host_context(call)->run;
    const struct run_connection *connection = host_context(call)->connection;
    enum iotify_result result = IOTIFY_RESULT_OK;

    if (!found)
        return host_fault(call, "all_records", "without `found`");
    for (size_t i = 0; i < run->job->plugin_count && result == IOTIFY_RESULT_OK; i++)
        if (run->job->plugins[i].plugin == connection->plugin->plugin)
            result = store_each_record(run->store, host_call_of(call), run->job->plugins[i].alias,
                connection->realm, found, argument);
    return result;
}

static enum iotify_result host_later(struct iotify_call *call, int64_t nanoseconds, int stage)
{
    host_context(call)->later = nanoseconds > 0 ? nanoseconds : 0;
    host_context(call)->later_stage = stage;
    return IOTIFY_RESULT_LATER;
}

/* Write the records of one commit. Their keys and sealed values are freed with the call's arena. */
static enum iotify_result host_write_some(
    struct iotify_call *call, const struct iotify_record_write *records, size_t count)
{
    const struct run_connection *connection = host_context(call)->connection;
    struct iotify_write writes[RECORDS_MAX];
    enum iotify_result result;
    struct call step;

    call_init(&step, host_call_of(call)->where);
    for (size_t i = 0; i < count; i++) {
        const struct iotify_record_write *record =
            host_element(records, connection->plugin->plugin->connector.record_write_size, i);

        if (record->client < 0) {
            call_clear(&step);
            return host_fault(call, "records_write", "with a client below 0");
        }
        writes[i] =
            (struct iotify_write){.kind = record->value.size ? IOTIFY_WRITE_COMPARE_AND_SET
                                                             : IOTIFY_WRITE_COMPARE_AND_DELETE,
                .key = store_record_key(
                    &step, connection->plugin->alias, connection->realm, record->client),
                .value = record->value,
                .expected = record->expected};
    }
    result = store_apply(host_context(call)->run->store, &step, writes, count);
    if (result != IOTIFY_RESULT_OK)
        call_take_failure(host_call_of(call), &step);
    call_clear(&step);
    return result;
}

static enum iotify_result host_records_write(
    struct iotify_call *call, const struct iotify_record_write *writes, size_t count)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    for (size_t at = 0;
         at < count && result == IOTIFY_RESULT_OK && !host_context(call)->run->planning;
         at += RECORDS_MAX)
        result = host_write_some(call,
            host_element(writes,
                host_context(call)->connection->plugin->plugin->connector.record_write_size, at),
            count - at < RECORDS_MAX ? count - at : RECORDS_MAX);
    return result;
}

static const char *host_job_name(struct iotify_call *call)
{
    return host_context(call)->run->job->options->name;
}

static unsigned host_repair_mode(struct iotify_call *call)
{
    return host_context(call)->run->repair_mode;
}

static void host_repaired(struct iotify_call *call, const char *what)
{
    host_context(call)->repaired = true;
    call_log(call, IOTIFY_LOG_INFO, "differs from its record and is repaired: %s", what);
}

static struct iotify_host online;
static pthread_once_t online_once = PTHREAD_ONCE_INIT;

/* What needs a run, over the functions of any call. */
static void host_make_online(void)
{
    online = *call_offline_host();
    online.perform = host_perform;
    online.wait = host_wait;
    online.glob_get = host_glob_get;
    online.glob_apply = host_glob_apply;
    online.record_get = host_record_get;
    online.record_set = host_record_set;
    online.records = host_records;
    online.records_write = host_records_write;
    online.job_name = host_job_name;
    online.later = host_later;
    online.all_records = host_all_records;
    online.repair_mode = host_repair_mode;
    online.repaired = host_repaired;
}

void host_call(struct run *run, struct call *call, struct run_context *context,
    const struct job_plugin *plugin, const char *where, struct run_counters *counters)
{
    pthread_once(&online_once, host_make_online);
    call_init(call, where);
    *context = (struct run_context){.run = run, .counters = counters, .later = -1};
    if (plugin && plugin->plugin->descriptor.kind == IOTIFY_KIND_CONNECTOR)
        context->connection = &run->connections[plugin - run->job->plugins];
    call->base.host = &online;
    call->context = context;
}

/* ------------------------------------------------------------------ scripts */

void host_console(
    void *context, enum iotify_level level, const struct script_turn *turn, const char *text)
{
    char where[64];

    (void)context;
    if (turn->client < 0)
        snprintf(where, sizeof(where), "template");
    else
        snprintf(where, sizeof(where), "client %lld, iteration %lld", (long long)turn->client,
            (long long)turn->iteration);
    log_write(level > IOTIFY_LOG_DEBUG ? IOTIFY_LOG_INFO : level, where, "%s", text);
}
