/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of a simulation: counters, times, failures by reason, metrics of scripts, and devices
 * with lost or misplaced messages. Tallies can be added up, so each loop fills its own without
 * locking. One thread at a time.
 */
#ifndef CORE_REPORT_TALLY_H
#define CORE_REPORT_TALLY_H

#include "core/report/distribution.h"
#include "core/report/failure.h"
#include "core/report/histogram.h"

/* tally.c has the names and meanings; summary, thresholds, series and metrics use them. */
enum tally_count {
    TALLY_CLIENTS,
    TALLY_CONNECTED,
    TALLY_PUBLISHED,
    TALLY_ACKNOWLEDGED,
    TALLY_RECEIVED,
    TALLY_FAILED,
    TALLY_REFUSED,
    TALLY_ABANDONED,
    TALLY_DROPPED,
    TALLY_SKIPPED,
    TALLY_LOST,
    TALLY_UNRETURNED,
    TALLY_DUPLICATES,
    TALLY_RECONNECTS,
    TALLY_VERIFIED,
    TALLY_REORDERED,
    TALLY_LATE,
    TALLY_RESENT,
    TALLY_RESUMED,
    TALLY_CLOSED,
    TALLY_SCRIPT_ERRORS,
    TALLY_BYTES_OUT,
    TALLY_BYTES_IN,
    TALLY_FINISHED,
    TALLY_UNCONNECTED,
    TALLY_ITERATIONS,
    TALLY_COUNTS
};

enum tally_time {
    TALLY_CONNECT,
    TALLY_CONNECT_TCP,
    TALLY_CONNECT_TLS,
    TALLY_CONNECT_SESSION,
    TALLY_PUBLISH,
    TALLY_END_TO_END,
    TALLY_SCRIPT,
    TALLY_LAG,
    TALLY_TIMES
};

/* A name and its meaning, as users see them. */
struct tally_name {
    const char *name, *meaning;
};
extern const struct tally_name tally_counts[TALLY_COUNTS];
extern const struct tally_name tally_times[TALLY_TIMES];

/* The values that scripts gave to metric.add() under one name. */
struct tally_metric {
    const char *name;
    double count, sum, min, max;
    struct distribution values;
    struct tally_metric *next;
};

/* Failures of one device with the same code. */
struct tally_reason {
    const char *code;
    int64_t count;
    struct tally_reason *next;
};

/* A device with failures, or with lost, duplicate, reordered or late messages. */
struct tally_device {
    int64_t client;
    uint32_t lost, duplicates, reordered, late;
    struct tally_reason *reasons;
    struct tally_device *next;
};
#define TALLY_DEVICES_MAX 100

struct tally {
    struct arena arena; /* of all list entries */
    int64_t counts[TALLY_COUNTS];
    struct histogram times[TALLY_TIMES]; /* nanoseconds */
    struct failure *failures;
    struct tally_metric *metrics;
    struct tally_device *devices; /* by ascending index, at most TALLY_DEVICES_MAX */
    size_t device_count;
};

/* A zero-initialized tally is empty and valid. This frees its memory. */
void tally_clear(struct tally *tally);
/* Empty it, and keep the memory of its histograms. */
void tally_reset(struct tally *tally);
/* Add all of `from` to `into`; `from` is unchanged. */
void tally_merge(struct tally *into, const struct tally *from);

/* Add the numbers of a metric of the scripts; name and values are copied. */
void tally_add_metric(struct tally *tally, const struct tally_metric *metric);
/* A quantile of its values, exact at both ends. */
double tally_metric_quantile(const struct tally_metric *metric, double share);
/* Add to a device's reasons; the code is copied into the arena. */
void tally_add_reason(
    struct arena *arena, struct tally_reason **reasons, const char *code, int64_t count);
/* Add the counters and reasons of a device; the TALLY_DEVICES_MAX lowest indexes are kept. */
void tally_add_device(struct tally *tally, const struct tally_device *device);

/* The quantiles that are shown, p50 to p999; the summary and thresholds also have "max". */
struct tally_quantile {
    const char *name;
    double share;
};
extern const struct tally_quantile tally_quantiles[];
extern const size_t tally_quantile_count;

#endif
