/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a simulation did, in numbers: counters, times, failures by reason, what the scripts
 * measured, and which devices had trouble. Tallies can be added up, so each event loop has its own
 * and nobody waits for another. One thread at a time.
 */
#ifndef CORE_REPORT_TALLY_H
#define CORE_REPORT_TALLY_H

#include "core/report/failure.h"
#include "core/report/histogram.h"

/* The names and meanings stand in tally.c: summary, thresholds, series and metrics go by them. */
enum tally_count {
    TALLY_CLIENTS,
    TALLY_CONNECTED,
    TALLY_PUBLISHED,
    TALLY_ACKNOWLEDGED,
    TALLY_RECEIVED,
    TALLY_FAILED,
    TALLY_ABANDONED,
    TALLY_LOST,
    TALLY_DUPLICATES,
    TALLY_RECONNECTS,
    TALLY_VERIFIED,
    TALLY_REORDERED,
    TALLY_LATE,
    TALLY_RESENT,
    TALLY_RESUMED,
    TALLY_CLOSED,
    TALLY_FINISHED,
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

/* A name and what it means, for people. */
struct tally_name {
    const char *name, *meaning;
};
extern const struct tally_name tally_counts[TALLY_COUNTS];
extern const struct tally_name tally_times[TALLY_TIMES];

/* What the scripts measured under one name. */
struct tally_metric {
    const char *name;
    double count, sum, min, max;
    struct tally_metric *next;
};

/* A device of which messages went astray. */
struct tally_device {
    int64_t client;
    uint32_t lost, duplicates, reordered, late;
    struct tally_device *next;
};
#define TALLY_DEVICES_MAX 100

struct tally {
    struct arena arena; /* of all that lists hold */
    int64_t counts[TALLY_COUNTS];
    struct histogram times[TALLY_TIMES]; /* nanoseconds */
    struct failure *failures;
    struct tally_metric *metrics;
    struct tally_device *devices; /* the first that were told of, by client */
    size_t device_count;
};

/* A tally of zeros is empty and ready. */
void tally_clear(struct tally *tally);
/* Empty it, and keep the memory of its histograms. */
void tally_reset(struct tally *tally);
/* Add all of `from`, which stays as it is. */
void tally_merge(struct tally *into, const struct tally *from);

/* One value of the scripts' own; a metric with its count, sum, least and greatest value. */
void tally_add_metric(struct tally *tally, const struct tally_metric *metric);
/* Beyond TALLY_DEVICES_MAX those with the smallest indexes are kept. */
void tally_add_device(struct tally *tally, const struct tally_device *device);

/* The quantiles that are shown, from p50 to p999, and the maximum as "max". */
struct tally_quantile {
    const char *name;
    double share;
};
extern const struct tally_quantile tally_quantiles[];
extern const size_t tally_quantile_count;

#endif
