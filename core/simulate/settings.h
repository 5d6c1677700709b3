/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a `simulate` step. Times in nanoseconds, sizes in bytes, rates per second. Read-
 * only after the job is loaded.
 */
#ifndef CORE_SIMULATE_SETTINGS_H
#define CORE_SIMULATE_SETTINGS_H

#include <iotify/settings.h>

enum simulate_pacing { PACING_OPEN, PACING_CLOSED };
enum simulate_overlap { OVERLAP_WAIT, OVERLAP_SKIP };
enum simulate_backoff { BACKOFF_NONE, BACKOFF_FIXED, BACKOFF_EXPONENTIAL, BACKOFF_FULL_JITTER };
enum simulate_verify { VERIFY_NONE, VERIFY_END_TO_END };

struct simulate_stage {
    const char *name;
    int64_t duration;
    int64_t clients; /* -1: unchanged */
    double rate;     /* 0: unchanged */
    double storm;
};

struct threshold_options {
    const char *expression;
    bool abort;
    int64_t grace;
};

struct simulate_options {
    const char *name; /* NULL: that of the step */
    const char *template;
    const char *transport;
    int64_t clients, first;
    int64_t iterations;
    int64_t duration, interval, jitter, hold;
    int pacing;  /* enum simulate_pacing */
    int overlap; /* enum simulate_overlap */
    int64_t ack_timeout;
    int64_t max_unwritten, max_unwritten_total;
    double connect_rate;
    struct iotify_table stages; /* of struct simulate_stage */
    int qos;                    /* -1: the template's */
    int verify;                 /* enum simulate_verify */
    int64_t verify_within;
    int backoff; /* enum simulate_backoff */
    int64_t backoff_cap;
    int64_t attempts;
    int64_t seed;
    int64_t loops; /* 0: one per core */
    int64_t time_limit, wait_limit, memory_limit;
    struct iotify_table thresholds; /* of struct threshold_options */
    const char *capture_file;
    bool capture_state, capture_payload, capture_logs;
    double capture_sample;
};

extern const struct iotify_settings simulate_settings;

#endif
