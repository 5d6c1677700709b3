/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/threshold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/suggest.h"
#include "core/base/value.h"

enum threshold_comparison { LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, EQUAL, NOT_EQUAL };

/* Longer ones first: `<=` begins with `<`. */
static const struct {
    const char *text;
    enum threshold_comparison comparison;
} comparisons[] = {{"<=", LESS_EQUAL}, {">=", GREATER_EQUAL}, {"==", EQUAL}, {"!=", NOT_EQUAL},
    {"<", LESS}, {">", GREATER}};

const char *const threshold_defaults[] = {"failed == 0", "lost == 0", "script_errors == 0"};
const size_t threshold_default_count = sizeof(threshold_defaults) / sizeof(threshold_defaults[0]);

/* The load generator's values in the summary. */
#define GENERATOR(member) offsetof(struct simulate_summary, member)
const struct threshold_generator threshold_generators[] = {
    {.name = "generator.cpu", .meaning = "cores in use", .offset = GENERATOR(cpu)},
    {.name = "generator.busy",
        .meaning = "share of its time in which the busiest loop was at work",
        .offset = GENERATOR(busy)},
    {.name = "generator.saturated",
        .meaning = "1 when this machine was the bottleneck, else 0",
        .offset = GENERATOR(saturated),
        .is_flag = true},
};
const size_t threshold_generator_count =
    sizeof(threshold_generators) / sizeof(threshold_generators[0]);

enum threshold_statistic { SUM, COUNT, MEAN, MIN, MAX, STATISTICS, QUANTILE = STATISTICS };
static const char *const statistics[STATISTICS] = {
    [SUM] = "sum", [COUNT] = "count", [MEAN] = "mean", [MIN] = "min", [MAX] = "max"};

enum threshold_metric_source { A_COUNTER, A_TIME, THE_GENERATOR, A_METRIC };

struct threshold {
    enum threshold_metric_source source;
    size_t index; /* in the table of its source */
    double share; /* of a time or with QUANTILE: the quantile, 1 for max */
    const char *metric;
    size_t metric_length;
    enum threshold_statistic statistic;
    enum threshold_comparison comparison;
    double limit;
};

static bool threshold_find_counter(const char *name, struct threshold *threshold)
{
    for (size_t i = 0; i < TALLY_FINISHED; i++) {
        if (strcmp(tally_counts[i].name, name) == 0) {
            threshold->source = A_COUNTER;
            threshold->index = i;
            return true;
        }
    }
    for (size_t i = 0; i < threshold_generator_count; i++) {
        if (strcmp(threshold_generators[i].name, name) == 0) {
            threshold->source = THE_GENERATOR;
            threshold->index = i;
            return true;
        }
    }
    return false;
}

/* "publish.p99" */
static bool threshold_find_time(const char *name, struct threshold *threshold)
{
    const char *dot = strchr(name, '.');

    threshold->source = A_TIME;
    for (size_t i = 0; dot && i < TALLY_TIMES; i++) {
        size_t length = strlen(tally_times[i].name);

        if (length != (size_t)(dot - name) || strncmp(tally_times[i].name, name, length) != 0)
            continue;
        threshold->index = i;
        threshold->share = 1;
        if (strcmp(dot + 1, "max") == 0)
            return true;
        for (size_t j = 0; j < tally_quantile_count; j++) {
            threshold->share = tally_quantiles[j].share;
            if (strcmp(tally_quantiles[j].name, dot + 1) == 0)
                return true;
        }
    }
    return false;
}

/* "temperature" or "temperature.mean" */
static bool threshold_find_script_metric(
    const char *name, const struct metric_names *names, struct threshold *threshold)
{
    const char *dot = strrchr(name, '.');

    threshold->source = A_METRIC;
    threshold->metric = name;
    threshold->metric_length = strlen(name);
    threshold->statistic = SUM;
    for (size_t i = 0; names && i < names->count; i++)
        if (strcmp(names->names[i], name) == 0)
            return true;
    for (size_t i = 0; dot && i < STATISTICS; i++) {
        if (strcmp(statistics[i], dot + 1) == 0) {
            threshold->statistic = (enum threshold_statistic)i;
            threshold->metric_length = (size_t)(dot - name);
        }
    }
    for (size_t i = 0; dot && i < tally_quantile_count; i++) {
        if (strcmp(tally_quantiles[i].name, dot + 1) == 0) {
            threshold->statistic = QUANTILE;
            threshold->share = tally_quantiles[i].share;
            threshold->metric_length = (size_t)(dot - name);
        }
    }
    for (size_t i = 0; names && i < names->count; i++)
        if (strlen(names->names[i]) == threshold->metric_length &&
            strncmp(names->names[i], name, threshold->metric_length) == 0)
            return true;
    return !names || names->any;
}

/* False: unknown metric. Without `names`, any other name is a metric of the scripts. */
static bool threshold_find_metric(
    const char *name, const struct metric_names *names, struct threshold *threshold)
{
    return threshold_find_counter(name, threshold) || threshold_find_time(name, threshold) ||
           threshold_find_script_metric(name, names, threshold);
}

static const char *threshold_unknown_metric(
    struct arena *arena, const char *name, const struct metric_names *names)
{
    struct suggest suggest;

    suggest_init(&suggest, name);
    for (size_t i = 0; i < TALLY_FINISHED; i++)
        suggest_offer(&suggest, tally_counts[i].name);
    for (size_t i = 0; i < TALLY_TIMES; i++)
        for (size_t j = 0; j < tally_quantile_count; j++)
            suggest_offer(&suggest,
                arena_format(arena, "%s.%s", tally_times[i].name, tally_quantiles[j].name));
    for (size_t i = 0; i < threshold_generator_count; i++)
        suggest_offer(&suggest, threshold_generators[i].name);
    for (size_t i = 0; i < names->count; i++) {
        suggest_offer(&suggest, names->names[i]);
        for (size_t j = 0; j < STATISTICS; j++)
            suggest_offer(&suggest, arena_format(arena, "%s.%s", names->names[i], statistics[j]));
    }
    return arena_format(arena, "unknown metric \"%s\"%s", name, suggest_hint(&suggest, ""));
}

static bool threshold_parse_limit(const char *text, struct threshold *threshold)
{
    int64_t duration;
    char *end;

    if (threshold->source == A_TIME) {
        if (!value_parse_duration(text, &duration))
            return false;
        threshold->limit = (double)duration / (double)SECOND;
        return true;
    }
    threshold->limit = strtod(text, &end);
    return *text && !*end && isfinite(threshold->limit);
}

static const char *threshold_trim(struct arena *arena, const char *text, size_t length)
{
    while (length && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    return arena_copy(arena, text, length);
}

/*
 * NULL if it is valid. Without `names`, any name that is not built in is a metric of the scripts.
 */
static const char *threshold_parse(struct arena *arena, const char *expression,
    const struct metric_names *names, struct threshold *threshold)
{
    size_t length = strcspn(expression, "<>=!");
    const char *name = threshold_trim(arena, expression, length), *rest = expression + length,
               *limit;
    size_t found = 0, count = sizeof(comparisons) / sizeof(comparisons[0]);

    *threshold = (struct threshold){0};
    while (found < count &&
           strncmp(rest, comparisons[found].text, strlen(comparisons[found].text)) != 0)
        found++;
    if (found == count || !*name)
        return arena_format(arena,
            "invalid threshold \"%s\" (expected METRIC < VALUE, for example publish.p99 < 500ms)",
            expression);
    if (!threshold_find_metric(name, names, threshold))
        return threshold_unknown_metric(arena, name, names);
    threshold->comparison = comparisons[found].comparison;
    rest += strlen(comparisons[found].text);
    limit = threshold_trim(arena, rest, strlen(rest));
    if (!threshold_parse_limit(limit, threshold))
        return arena_format(arena, "\"%s\" compares with %s, not \"%s\"", name,
            threshold->source == A_TIME ? "a duration such as 500ms" : "a number", limit);
    return NULL;
}

bool threshold_is_time(const char *expression)
{
    struct arena arena = {0};
    struct threshold threshold;
    bool is_time =
        !threshold_parse(&arena, expression, NULL, &threshold) && threshold.source == A_TIME;

    arena_clear(&arena);
    return is_time;
}

bool threshold_same_metric(const char *one, const char *other)
{
    struct arena arena = {0};
    bool same = strcmp(threshold_trim(&arena, one, strcspn(one, "<>=!")),
                    threshold_trim(&arena, other, strcspn(other, "<>=!"))) == 0;

    arena_clear(&arena);
    return same;
}

const char *threshold_check(
    struct arena *arena, const char *expression, const struct metric_names *names)
{
    struct threshold threshold;

    return threshold_parse(arena, expression, names, &threshold);
}

static bool threshold_compare(double value, enum threshold_comparison comparison, double limit)
{
    switch (comparison) {
    case LESS:
        return value < limit;
    case LESS_EQUAL:
        return value <= limit;
    case GREATER:
        return value > limit;
    case GREATER_EQUAL:
        return value >= limit;
    case EQUAL:
        return value >= limit && value <= limit;
    case NOT_EQUAL:
        return value < limit || value > limit;
    }
    return false;
}

/* False when no script measured under that name. */
static bool threshold_metric_value(
    const struct threshold *threshold, const struct tally_metric *metric, double *value)
{
    while (metric && (strlen(metric->name) != threshold->metric_length ||
                         strncmp(metric->name, threshold->metric, threshold->metric_length) != 0))
        metric = metric->next;
    if (!metric)
        return false;
    *value = threshold->statistic == COUNT      ? metric->count
             : threshold->statistic == MEAN     ? metric->sum / metric->count
             : threshold->statistic == MIN      ? metric->min
             : threshold->statistic == MAX      ? metric->max
             : threshold->statistic == QUANTILE ? tally_metric_quantile(metric, threshold->share)
                                                : metric->sum;
    return true;
}

/* False when there is no value. */
static bool threshold_value(
    const struct threshold *threshold, const struct simulate_summary *results, double *value)
{
    const char *member = (const char *)results;
    struct threshold whole = *threshold;
    const struct histogram *times;

    switch (threshold->source) {
    case A_COUNTER:
        *value = (double)results->tally.counts[threshold->index];
        return true;
    case A_TIME:
        times = &results->tally.times[threshold->index];
        *value = (double)histogram_quantile(times, threshold->share) / (double)SECOND;
        return times->count > 0;
    case THE_GENERATOR:
        member += threshold_generators[threshold->index].offset;
        *value = threshold_generators[threshold->index].is_flag
                     ? (double)*(const bool *)member
                     : *(const double *)(const void *)member;
        return true;
    case A_METRIC:
        break;
    }
    /* A metric's own name may end like a statistic, such as `queue.max`. */
    whole.metric_length = strlen(whole.metric);
    whole.statistic = SUM;
    return threshold_metric_value(&whole, results->tally.metrics, value) ||
           threshold_metric_value(threshold, results->tally.metrics, value);
}

enum threshold_state threshold_evaluate(
    const char *expression, const struct simulate_summary *results, double *value)
{
    struct arena arena = {0};
    struct threshold threshold;
    bool good = threshold_parse(&arena, expression, NULL, &threshold) == NULL, measured;

    *value = 0;
    measured = good && threshold_value(&threshold, results, value);
    /* `threshold` points into the arena; only its plain values are used below. */
    arena_clear(&arena);
    if (!measured)
        return THRESHOLD_UNMEASURED;
    if (threshold_compare(*value, threshold.comparison, threshold.limit))
        return THRESHOLD_HOLDS;
    return threshold.source == A_TIME && results->saturated && threshold.index != TALLY_LAG &&
                   threshold.index != TALLY_SCRIPT
               ? THRESHOLD_SATURATED
               : THRESHOLD_CROSSED;
}
