/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/suggest.h"
#include "core/base/value.h"
#include "sandbox/operation.h"
#include "sandbox/request.h"

static const char *const names[FAULT_KINDS] = {[FAULT_THROTTLE] = "throttle",
    [FAULT_ERROR] = "error",
    [FAULT_DROP_REQUEST] = "drop_request",
    [FAULT_DROP_REPLY] = "drop_reply",
    [FAULT_RESET] = "reset",
    [FAULT_ABSENT] = "absent",
    [FAULT_REFUSE] = "refuse",
    [FAULT_DROP] = "drop",
    [FAULT_STALL] = "stall"};

static const char latency_name[] = "latency";

/* The settings of one operation, or of all ("*"). */
struct fault_rule {
    char operation[64];
    double share[FAULT_KINDS];     /* 0 to 1; negative: the share of "*" applies */
    int64_t latency_ns, spread_ns; /* negative: those of "*" apply */
    uint64_t calls;                /* drawn for the operation so far; unused for "*" */
    struct fault_rule *next;
};

struct fault_set {
    pthread_mutex_t mutex;
    uint64_t seed;
    bool any;
    struct fault_rule *rules;
};

struct fault_set *faults_new(uint64_t seed)
{
    struct fault_set *faults = calloc(1, sizeof(*faults));

    if (!faults)
        abort();
    pthread_mutex_init(&faults->mutex, NULL);
    faults->seed = seed;
    return faults;
}

static void fault_clear(struct fault_rule **rules)
{
    while (*rules) {
        struct fault_rule *rule = *rules;

        *rules = rule->next;
        free(rule);
    }
}

void faults_free(struct fault_set *faults)
{
    if (!faults)
        return;
    fault_clear(&faults->rules);
    pthread_mutex_destroy(&faults->mutex);
    free(faults);
}

static struct fault_rule *fault_find(struct fault_rule *rules, const char *operation)
{
    while (rules && strcmp(rules->operation, operation) != 0)
        rules = rules->next;
    return rules;
}

static struct fault_rule *fault_need(struct fault_rule **rules, const char *operation)
{
    struct fault_rule *rule = fault_find(*rules, operation);

    if (rule)
        return rule;
    rule = calloc(1, sizeof(*rule));
    if (!rule)
        abort();
    snprintf(rule->operation, sizeof(rule->operation), "%s", operation);
    for (size_t i = 0; i < FAULT_KINDS; i++)
        rule->share[i] = -1;
    rule->latency_ns = rule->spread_ns = -1;
    rule->next = *rules;
    *rules = rule;
    return rule;
}

/* ------------------------------------------------------------------ setting */

struct fault_parser {
    struct fault_rule *rules;
    char *why;
    size_t size;
};

static void fault_offer(void *argument, const struct operation *operation)
{
    suggest_offer(argument, operation->name);
}

static bool fault_unknown(struct fault_parser *parser, const char *what, struct suggest *suggest)
{
    snprintf(parser->why, parser->size, "unknown %s \"%s\"%s", what, suggest->word,
        suggest_hint(suggest, ""));
    return false;
}

static bool fault_check_operation(struct fault_parser *parser, const char *name)
{
    struct suggest suggest;

    if (strcmp(name, "*") == 0 || operation_by_name(name) || strcmp(name, FAULT_CONNECT) == 0 ||
        strcmp(name, FAULT_PUBLISH) == 0)
        return true;
    suggest_init(&suggest, name);
    operation_each(fault_offer, &suggest);
    return fault_unknown(parser, "operation", &suggest);
}

/* "50ms" or "50ms~20ms" */
static bool fault_set_latency(struct fault_parser *parser, struct fault_rule *rule, char *value)
{
    char *spread = strchr(value, '~');

    if (spread)
        *spread++ = '\0';
    rule->spread_ns = 0;
    if (value_parse_duration(value, &rule->latency_ns) &&
        (!spread || value_parse_duration(spread, &rule->spread_ns)))
        return true;
    snprintf(parser->why, parser->size,
        "latency takes a duration such as 50ms, or one with a spread such as 50ms~20ms");
    return false;
}

/* Can this kind of fault happen to the operation? */
static bool fault_meets(const char *operation, enum fault_kind kind)
{
    if (strcmp(operation, FAULT_CONNECT) == 0)
        return kind == FAULT_RESET || kind == FAULT_STALL || kind == FAULT_REFUSE;
    if (strcmp(operation, FAULT_PUBLISH) == 0)
        return kind == FAULT_RESET || kind == FAULT_STALL || kind == FAULT_DROP;
    return strcmp(operation, "*") == 0 || kind < FAULT_REFUSE;
}

static bool fault_set_share(
    struct fault_parser *parser, struct fault_rule *rule, const char *name, const char *value)
{
    struct suggest suggest;
    char *end;
    double share = strtod(value, &end);

    suggest_init(&suggest, name);
    for (size_t i = 0; i < FAULT_KINDS; i++) {
        suggest_offer(&suggest, names[i]);
        if (strcmp(names[i], name) != 0)
            continue;
        if (end == value || strcmp(end, "%") != 0 || !(share >= 0 && share <= 100)) {
            snprintf(parser->why, parser->size, "%s takes a share from 0%% to 100%%, not \"%s\"",
                name, value);
            return false;
        }
        if (!fault_meets(rule->operation, (enum fault_kind)i)) {
            snprintf(parser->why, parser->size, "%s meets no \"%s\"", rule->operation, name);
            return false;
        }
        rule->share[i] = share / 100;
        return true;
    }
    suggest_offer(&suggest, latency_name);
    return fault_unknown(parser, "fault", &suggest);
}

/* "throttle=10%" or "CreateThing:throttle=10%" */
static bool fault_set_one(struct fault_parser *parser, char *item)
{
    char *equals = strchr(item, '='), *colon = strchr(item, ':');
    const char *operation = "*";
    struct fault_rule *rule;

    if (strcmp(item, "none") == 0) {
        fault_clear(&parser->rules);
        return true;
    }
    if (!equals) {
        snprintf(parser->why, parser->size,
            "invalid fault \"%s\" (expected KIND=SHARE, for example throttle=10%%)", item);
        return false;
    }
    if (colon && colon < equals) {
        *colon = '\0';
        operation = item;
        item = colon + 1;
    }
    *equals = '\0';
    if (!fault_check_operation(parser, operation))
        return false;
    rule = fault_need(&parser->rules, operation);
    if (strcmp(item, latency_name) == 0 && strcmp(operation, "*") != 0 &&
        !operation_by_name(operation)) {
        snprintf(parser->why, parser->size, "%s meets no \"%s\"", operation, item);
        return false;
    }
    return strcmp(item, latency_name) == 0 ? fault_set_latency(parser, rule, equals + 1)
                                           : fault_set_share(parser, rule, item, equals + 1);
}

static struct fault_rule *fault_copy_rules(const struct fault_rule *from)
{
    struct fault_rule *copy = NULL, **end = &copy;

    for (; from; from = from->next) {
        *end = calloc(1, sizeof(**end));
        if (!*end)
            abort();
        **end = *from;
        (*end)->next = NULL;
        end = &(*end)->next;
    }
    return copy;
}

bool faults_set(struct fault_set *faults, const char *text, char *why, size_t size)
{
    struct fault_parser parser = {.why = why, .size = size};
    char *copy = strdup(text), *rest = NULL;
    bool good = copy && text[strspn(text, ", ")];

    if (!good)
        snprintf(why, size, "the list is empty; \"none\" removes all faults");
    pthread_mutex_lock(&faults->mutex);
    parser.rules = fault_copy_rules(faults->rules);
    for (char *item = good ? strtok_r(copy, ", ", &rest) : NULL; item && good;
         item = strtok_r(NULL, ", ", &rest))
        good = fault_set_one(&parser, item);
    fault_clear(good ? &faults->rules : &parser.rules);
    if (good)
        faults->rules = parser.rules;
    faults->any = faults->rules != NULL;
    pthread_mutex_unlock(&faults->mutex);
    free(copy);
    return good;
}

bool faults_seed(struct fault_set *faults, const char *text)
{
    uint64_t seed;
    char *end;

    errno = 0;
    seed = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno != 0)
        return false;
    pthread_mutex_lock(&faults->mutex);
    faults->seed = seed;
    for (struct fault_rule *rule = faults->rules; rule; rule = rule->next)
        rule->calls = 0;
    pthread_mutex_unlock(&faults->mutex);
    return true;
}

/* ------------------------------------------------------------------ drawing */

static uint64_t fault_mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number from 0 to 1, a hash of seed, operation, number of the call and purpose. */
static double fault_draw(uint64_t seed, const char *operation, uint64_t call, unsigned what)
{
    uint64_t hash = fault_mix(seed);

    for (; *operation; operation++)
        hash = fault_mix(hash ^ (unsigned char)*operation);
    return (double)(fault_mix(hash ^ call << 8 ^ what) >> 11) / 9007199254740992.0;
}

static void fault_draw_outcome(
    struct fault_set *faults, const char *operation, struct fault_outcome *outcome)
{
    const struct fault_rule *all = fault_find(faults->rules, "*");
    struct fault_rule *own = fault_need(&faults->rules, operation);
    uint64_t call = own->calls++;
    int64_t latency = own->latency_ns >= 0 ? own->latency_ns : all ? all->latency_ns : -1;
    int64_t spread = own->latency_ns >= 0 ? own->spread_ns : all ? all->spread_ns : -1;

    for (unsigned i = 0; i < FAULT_KINDS; i++) {
        double share = own->share[i] >= 0 ? own->share[i] : all ? all->share[i] : -1;

        outcome->hits[i] = share > 0 && fault_draw(faults->seed, operation, call, i) < share;
    }
    if (latency >= 0)
        outcome->latency_ns =
            latency + (int64_t)((fault_draw(faults->seed, operation, call, FAULT_KINDS) * 2 - 1) *
                                (double)(spread > 0 ? spread : 0));
    if (outcome->latency_ns < 0)
        outcome->latency_ns = 0;
    outcome->roll = (unsigned)(fault_draw(faults->seed, operation, call, FAULT_KINDS + 1) * 1000);
}

void faults_draw(struct fault_set *faults, const char *operation, struct fault_outcome *outcome)
{
    *outcome = (struct fault_outcome){0};
    pthread_mutex_lock(&faults->mutex);
    if (faults->any)
        fault_draw_outcome(faults, operation, outcome);
    pthread_mutex_unlock(&faults->mutex);
}

/* ------------------------------------------------------------------ printing */

static void fault_print_item(
    struct iotify_buffer *out, const struct fault_rule *rule, const char *name)
{
    iotify_buffer_format(out, "%s%s%s%s=", out->size ? "," : "",
        strcmp(rule->operation, "*") == 0 ? "" : rule->operation,
        strcmp(rule->operation, "*") == 0 ? "" : ":", name);
}

void faults_print(struct fault_set *faults, struct iotify_buffer *out)
{
    pthread_mutex_lock(&faults->mutex);
    for (const struct fault_rule *rule = faults->rules; rule; rule = rule->next) {
        for (size_t i = 0; i < FAULT_KINDS; i++) {
            if (rule->share[i] < 0)
                continue;
            fault_print_item(out, rule, names[i]);
            iotify_buffer_format(out, "%g%%", rule->share[i] * 100);
        }
        if (rule->latency_ns >= 0) {
            fault_print_item(out, rule, latency_name);
            value_format_duration(rule->latency_ns, out);
            if (rule->spread_ns > 0) {
                iotify_buffer_char(out, '~');
                value_format_duration(rule->spread_ns, out);
            }
        }
    }
    pthread_mutex_unlock(&faults->mutex);
}
