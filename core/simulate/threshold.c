#include "core/simulate/threshold.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/suggest.h"
#include "core/job/value.h"

enum comparison { LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, EQUAL, NOT_EQUAL };

/* Longer ones first: `<=` begins with `<`. */
static const struct {
    const char *text;
    enum comparison comparison;
} comparisons[] = {{"<=", LESS_EQUAL}, {">=", GREATER_EQUAL}, {"==", EQUAL}, {"!=", NOT_EQUAL},
    {"<", LESS}, {">", GREATER}};

#define COUNTER(member) offsetof(struct simulate_summary, member)
static const struct {
    const char *name;
    size_t offset;
} counters[] = {{"clients", COUNTER(clients)}, {"connected", COUNTER(connected)},
    {"published", COUNTER(published)}, {"acknowledged", COUNTER(acknowledged)},
    {"received", COUNTER(received)}, {"failed", COUNTER(failed)}, {"abandoned", COUNTER(abandoned)},
    {"lost", COUNTER(lost)}, {"duplicates", COUNTER(duplicates)},
    {"reconnects", COUNTER(reconnects)}};

static const struct {
    const char *name;
    size_t offset;
} histograms[] = {{"connect", COUNTER(connect)}, {"publish", COUNTER(publish)},
    {"end_to_end", COUNTER(end_to_end)}};

static const struct {
    const char *name;
    double share;
} quantiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1.0}};

struct threshold {
    bool is_time;
    size_t offset;
    double share;
    enum comparison comparison;
    double limit;
};

/* "publish.p99" or "failed"; false when there is no such metric. */
static bool find_metric(const char *name, struct threshold *threshold)
{
    const char *dot = strchr(name, '.');

    for (size_t i = 0; !dot && i < sizeof(counters) / sizeof(counters[0]); i++) {
        if (strcmp(counters[i].name, name) == 0) {
            threshold->offset = counters[i].offset;
            return true;
        }
    }
    for (size_t i = 0; dot && i < sizeof(histograms) / sizeof(histograms[0]); i++) {
        if (strlen(histograms[i].name) != (size_t)(dot - name) ||
            strncmp(histograms[i].name, name, (size_t)(dot - name)) != 0)
            continue;
        for (size_t j = 0; j < sizeof(quantiles) / sizeof(quantiles[0]); j++) {
            if (strcmp(quantiles[j].name, dot + 1) == 0) {
                threshold->is_time = true;
                threshold->offset = histograms[i].offset;
                threshold->share = quantiles[j].share;
                return true;
            }
        }
    }
    return false;
}

static const char *unknown_metric(struct arena *arena, const char *name)
{
    struct suggest suggest;

    suggest_init(&suggest, name);
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        suggest_offer(&suggest, counters[i].name);
    for (size_t i = 0; i < sizeof(histograms) / sizeof(histograms[0]); i++)
        for (size_t j = 0; j < sizeof(quantiles) / sizeof(quantiles[0]); j++)
            suggest_offer(
                &suggest, arena_format(arena, "%s.%s", histograms[i].name, quantiles[j].name));
    return arena_format(arena, "unknown metric \"%s\"%s%s%s", name,
        suggest.best ? "; did you mean \"" : "", suggest.best ? suggest.best : "",
        suggest.best ? "\"?" : "");
}

static bool parse_limit(const char *text, struct threshold *threshold)
{
    int64_t duration;
    char *end;

    if (threshold->is_time) {
        if (!value_parse_duration(text, &duration))
            return false;
        threshold->limit = (double)duration / (double)SECOND;
        return true;
    }
    threshold->limit = strtod(text, &end);
    return *text && !*end;
}

static const char *trim(struct arena *arena, const char *text, size_t length)
{
    while (length && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    return arena_copy(arena, text, length);
}

static const char *parse(struct arena *arena, const char *expression, struct threshold *threshold)
{
    size_t length = strcspn(expression, "<>=!");
    const char *name = trim(arena, expression, length), *rest = expression + length, *limit;
    size_t found = 0, count = sizeof(comparisons) / sizeof(comparisons[0]);

    *threshold = (struct threshold){0};
    while (found < count &&
           strncmp(rest, comparisons[found].text, strlen(comparisons[found].text)) != 0)
        found++;
    if (found == count || !*name)
        return arena_format(arena,
            "\"%s\" is no threshold; write METRIC < VALUE, for example publish.p99 < 500ms",
            expression);
    if (!find_metric(name, threshold))
        return unknown_metric(arena, name);
    threshold->comparison = comparisons[found].comparison;
    rest += strlen(comparisons[found].text);
    limit = trim(arena, rest, strlen(rest));
    if (!parse_limit(limit, threshold))
        return arena_format(arena, "\"%s\" compares with %s, not \"%s\"", name,
            threshold->is_time ? "a duration such as 500ms" : "a number", limit);
    return NULL;
}

const char *threshold_check(struct arena *arena, const char *expression)
{
    struct threshold threshold;

    return parse(arena, expression, &threshold);
}

static bool compare(double value, enum comparison comparison, double limit)
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

bool threshold_holds(const char *expression, const struct simulate_summary *results, double *value)
{
    struct arena arena = {0};
    struct threshold threshold;
    const char *member;
    bool good = parse(&arena, expression, &threshold) == NULL;

    arena_clear(&arena);
    *value = 0;
    if (!good)
        return false;
    member = (const char *)results + threshold.offset;
    /* What was never measured meets no demand. */
    if (threshold.is_time && ((const struct histogram *)(const void *)member)->count == 0)
        return false;
    if (threshold.is_time)
        *value = (double)histogram_quantile((const void *)member, threshold.share) / (double)SECOND;
    else
        *value = (double)*(const int64_t *)(const void *)member;
    return compare(*value, threshold.comparison, threshold.limit);
}
