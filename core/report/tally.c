/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report/tally.h"

#include <float.h>
#include <math.h>

#include <string.h>

const struct tally_name tally_counts[TALLY_COUNTS] = {
    [TALLY_CLIENTS] = {.name = "clients", .meaning = "clients that take part"},
    [TALLY_CONNECTED] = {.name = "connected", .meaning = "clients that connected at least once"},
    [TALLY_PUBLISHED] = {.name = "published", .meaning = "messages handed to the transport"},
    [TALLY_ACKNOWLEDGED] = {.name = "acknowledged",
        .meaning = "messages acknowledged, or written with QoS 0"},
    [TALLY_RECEIVED] = {.name = "received", .meaning = "messages received"},
    [TALLY_FAILED] = {.name = "failed",
        .meaning = "iterations that failed, and clients that gave up"},
    [TALLY_REFUSED] = {.name = "refused",
        .meaning =
            "messages that could not be sent, such as one with an invalid topic or too large; "
            "their iterations failed"},
    [TALLY_ABANDONED] = {.name = "abandoned", .meaning = "iterations that were never begun"},
    [TALLY_DROPPED] = {.name = "dropped",
        .meaning =
            "messages that the schedule intended and that were never begun, or that were more "
            "than max_unwritten allows"},
    [TALLY_SKIPPED] = {.name = "skipped",
        .meaning = "iterations left out because the one before them still waited (overlap: skip)"},
    [TALLY_LOST] = {.name = "lost",
        .meaning = "messages without an outcome: not acknowledged in time, or never returned"},
    [TALLY_UNRETURNED] = {.name = "unreturned",
        .meaning = "messages acknowledged and never returned; lost ones, with verify: end_to_end"},
    [TALLY_DUPLICATES] = {.name = "duplicates", .meaning = "messages received more than once"},
    [TALLY_RECONNECTS] = {.name = "reconnects",
        .meaning = "connections after the first of a client"},
    [TALLY_VERIFIED] = {.name = "verified", .meaning = "messages that came back from end to end"},
    [TALLY_REORDERED] = {.name = "reordered",
        .meaning = "messages received after one that was sent later"},
    [TALLY_LATE] = {.name = "late", .meaning = "messages received after verify_within"},
    [TALLY_RESENT] = {.name = "resent", .meaning = "messages sent again after a reconnect"},
    [TALLY_RESUMED] = {.name = "resumed",
        .meaning = "connections with an abbreviated TLS handshake"},
    [TALLY_CLOSED] = {.name = "closed", .meaning = "connections that ended unexpectedly"},
    [TALLY_SCRIPT_ERRORS] = {.name = "script_errors",
        .meaning = "errors of scripts, in whatever function; failed assertions are not among them"},
    [TALLY_BYTES_OUT] = {.name = "bytes_out", .meaning = "payload bytes published"},
    [TALLY_BYTES_IN] = {.name = "bytes_in", .meaning = "payload bytes received"},
    [TALLY_FINISHED] = {.name = "finished", .meaning = "clients that are done"},
    [TALLY_UNCONNECTED] = {.name = "unconnected",
        .meaning = "clients that are done, tried to connect and never succeeded"},
    [TALLY_ITERATIONS] = {.name = "iterations", .meaning = "iterations that have ended"},
};

const struct tally_name tally_times[TALLY_TIMES] = {
    [TALLY_CONNECT] = {.name = "connect",
        .meaning = "connecting, until the subscriptions are confirmed"},
    [TALLY_CONNECT_TCP] = {.name = "connect_tcp", .meaning = "the TCP part of connecting"},
    [TALLY_CONNECT_TLS] = {.name = "connect_tls", .meaning = "the TLS part of connecting"},
    [TALLY_CONNECT_SESSION] = {.name = "connect_session",
        .meaning = "from there to CONNACK and SUBACK"},
    [TALLY_PUBLISH] = {.name = "publish",
        .meaning = "from the intended moment to the acknowledgement"},
    [TALLY_END_TO_END] = {.name = "end_to_end",
        .meaning = "from the intended moment until it returned"},
    [TALLY_SCRIPT] = {.name = "script", .meaning = "the script's time for a message"},
    [TALLY_LAG] = {.name = "lag", .meaning = "how much later than intended this machine sent"},
};

const struct tally_quantile tally_quantiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}};
const size_t tally_quantile_count = sizeof(tally_quantiles) / sizeof(tally_quantiles[0]);

static void tally_clear_metrics(struct tally *tally)
{
    for (struct tally_metric *metric = tally->metrics; metric; metric = metric->next)
        distribution_clear(&metric->values);
    tally->metrics = NULL;
}

void tally_clear(struct tally *tally)
{
    tally_clear_metrics(tally);
    for (size_t i = 0; i < TALLY_TIMES; i++)
        histogram_clear(&tally->times[i]);
    arena_clear(&tally->arena);
    *tally = (struct tally){0};
}

void tally_reset(struct tally *tally)
{
    memset(tally->counts, 0, sizeof(tally->counts));
    for (size_t i = 0; i < TALLY_TIMES; i++)
        histogram_reset(&tally->times[i]);
    tally_clear_metrics(tally);
    arena_clear(&tally->arena);
    tally->failures = NULL;
    tally->devices = NULL;
    tally->device_count = 0;
}

void tally_merge(struct tally *into, const struct tally *from)
{
    for (size_t i = 0; i < TALLY_COUNTS; i++)
        into->counts[i] += from->counts[i];
    for (size_t i = 0; i < TALLY_TIMES; i++)
        histogram_merge(&into->times[i], &from->times[i]);
    failure_merge(&into->arena, &into->failures, from->failures);
    for (const struct tally_metric *metric = from->metrics; metric; metric = metric->next)
        tally_add_metric(into, metric);
    for (const struct tally_device *device = from->devices; device; device = device->next)
        tally_add_device(into, device);
}

void tally_add_metric(struct tally *tally, const struct tally_metric *metric)
{
    struct tally_metric **end = &tally->metrics, *known;

    while (*end && strcmp((*end)->name, metric->name) != 0)
        end = &(*end)->next;
    known = *end;
    if (!known) {
        known = *end = arena_alloc(&tally->arena, sizeof(*known));
        *known = *metric;
        known->name = arena_string(&tally->arena, metric->name);
        known->values = (struct distribution){0};
        known->next = NULL;
        distribution_merge(&known->values, &metric->values);
        return;
    }
    distribution_merge(&known->values, &metric->values);
    known->count += metric->count;
    known->sum = fmax(-DBL_MAX, fmin(DBL_MAX, known->sum + metric->sum));
    known->min = metric->min < known->min ? metric->min : known->min;
    known->max = metric->max > known->max ? metric->max : known->max;
}

double tally_metric_quantile(const struct tally_metric *metric, double share)
{
    double value = distribution_quantile(&metric->values, share);

    return value < metric->min ? metric->min : value > metric->max ? metric->max : value;
}

void tally_add_reason(
    struct arena *arena, struct tally_reason **reasons, const char *code, int64_t count)
{
    while (*reasons && strcmp((*reasons)->code, code) != 0)
        reasons = &(*reasons)->next;
    if (!*reasons) {
        *reasons = arena_alloc(arena, sizeof(**reasons));
        **reasons = (struct tally_reason){.code = arena_string(arena, code)};
    }
    (*reasons)->count += count;
}

static void tally_add_reasons(
    struct tally *tally, struct tally_device *into, const struct tally_device *from)
{
    for (const struct tally_reason *reason = from->reasons; reason; reason = reason->next)
        tally_add_reason(&tally->arena, &into->reasons, reason->code, reason->count);
}

static bool tally_has_counts(const struct tally_device *device)
{
    return device->lost || device->duplicates || device->reordered || device->late;
}

/*
 * The entry that makes room for `device` in a full list: the last one without counts, else the last
 * one; NULL: `device` itself would be that one.
 */
static struct tally_device **tally_find_least(
    struct tally *tally, const struct tally_device *device)
{
    struct tally_device **least = NULL, **last = &tally->devices;

    for (struct tally_device **at = &tally->devices; *at; at = &(*at)->next) {
        last = at;
        if (!tally_has_counts(*at))
            least = at;
    }
    if (!tally_has_counts(device))
        return least && (*least)->client > device->client ? least : NULL;
    if (least)
        return least;
    return *last && (*last)->client > device->client ? last : NULL;
}

void tally_add_device(struct tally *tally, const struct tally_device *device)
{
    struct tally_device **at = &tally->devices, *added;

    while (*at && (*at)->client < device->client)
        at = &(*at)->next;
    if (*at && (*at)->client == device->client) {
        (*at)->lost += device->lost;
        (*at)->duplicates += device->duplicates;
        (*at)->reordered += device->reordered;
        (*at)->late += device->late;
        tally_add_reasons(tally, *at, device);
        return;
    }
    if (tally->device_count >= TALLY_DEVICES_MAX) {
        struct tally_device **out = tally_find_least(tally, device);

        if (!out)
            return;
        /* `at` must not point into the entry that is removed. */
        if (at == &(*out)->next)
            at = out;
        *out = (*out)->next;
        tally->device_count--;
    }
    added = arena_alloc(&tally->arena, sizeof(*added));
    *added = *device;
    added->reasons = NULL;
    tally_add_reasons(tally, added, device);
    added->next = *at;
    *at = added;
    tally->device_count++;
}
