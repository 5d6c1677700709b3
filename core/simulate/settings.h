/* What a `simulate` step takes. */
#ifndef CORE_SIMULATE_SETTINGS_H
#define CORE_SIMULATE_SETTINGS_H

#include <iotify/settings.h>

enum pacing { PACING_OPEN, PACING_CLOSED };
enum backoff { BACKOFF_NONE, BACKOFF_FIXED, BACKOFF_EXPONENTIAL, BACKOFF_FULL_JITTER };

struct simulate_options {
    const char *template;
    const char *transport;
    int64_t clients, first;
    int64_t iterations;
    int64_t duration, interval, jitter;
    int pacing; /* enum pacing */
    double connect_rate;
    int qos;     /* -1: as the template says */
    int backoff; /* enum backoff */
    int64_t backoff_cap;
    int64_t attempts;
    int64_t seed;
    int64_t loops;
    int64_t time_limit;
    struct iotify_list thresholds;
};

extern const struct iotify_settings simulate_settings;

#endif
