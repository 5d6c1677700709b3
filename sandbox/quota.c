/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/quota.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/suggest.h"
#include "sandbox/operation.h"
#include "sandbox/request.h"

#define OWN_CHAINS 4096

struct quota_bucket {
    char name[200];
    double rate, tokens;
    double filled; /* seconds of the monotonic clock */
    struct quota_bucket *next;
};

struct quota_set {
    pthread_mutex_t mutex;
    struct quota_bucket *buckets;         /* of operations */
    struct quota_bucket *own[OWN_CHAINS]; /* of client ids */
};

struct quota_set *quotas_new(void)
{
    struct quota_set *quotas = calloc(1, sizeof(*quotas));

    if (!quotas)
        abort();
    pthread_mutex_init(&quotas->mutex, NULL);
    return quotas;
}

static void quota_free_buckets(struct quota_bucket *bucket)
{
    while (bucket) {
        struct quota_bucket *next = bucket->next;

        free(bucket);
        bucket = next;
    }
}

void quotas_free(struct quota_set *quotas)
{
    if (!quotas)
        return;
    quota_free_buckets(quotas->buckets);
    for (size_t i = 0; i < OWN_CHAINS; i++)
        quota_free_buckets(quotas->own[i]);
    pthread_mutex_destroy(&quotas->mutex);
    free(quotas);
}

static double quota_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct quota_bucket *quota_find(struct quota_set *quotas, const char *name)
{
    struct quota_bucket *bucket = quotas->buckets;

    while (bucket && strcmp(bucket->name, name) != 0)
        bucket = bucket->next;
    return bucket;
}

/* As at AWS, a burst may use the calls of one second. */
static double quota_capacity(const struct quota_bucket *bucket)
{
    return bucket->rate > 1 ? bucket->rate : 1;
}

static struct quota_bucket *quota_new_bucket(const char *name, double rate)
{
    struct quota_bucket *bucket = calloc(1, sizeof(*bucket));

    if (!bucket)
        abort();
    snprintf(bucket->name, sizeof(bucket->name), "%s", name);
    bucket->rate = rate;
    bucket->tokens = quota_capacity(bucket);
    bucket->filled = quota_seconds();
    return bucket;
}

static void quota_set(struct quota_set *quotas, const char *name, double rate)
{
    struct quota_bucket *bucket = quota_find(quotas, name);

    if (!bucket) {
        bucket = quota_new_bucket(name, rate);
        bucket->next = quotas->buckets;
        quotas->buckets = bucket;
    }
    bucket->rate = rate;
    bucket->tokens = quota_capacity(bucket);
    bucket->filled = quota_seconds();
}

/* ------------------------------------------------------------------ setting */

struct quota_setting {
    struct quota_set *quotas;
    double rate; /* negative: AWS's default for each */
};

static void quota_set_one(void *argument, const struct operation *operation)
{
    const struct quota_setting *setting = argument;

    if (operation->rate > 0)
        quota_set(
            setting->quotas, operation->name, setting->rate < 0 ? operation->rate : setting->rate);
}

static void quota_offer(void *argument, const struct operation *operation)
{
    suggest_offer(argument, operation->name);
}

static bool quota_known(const char *name)
{
    return operation_by_name(name) || strcmp(name, QUOTA_CONNECT) == 0 ||
           strcmp(name, QUOTA_CONNECT_CLIENT) == 0;
}

/* Parses "NAME=RATE" or "aws". False with the reason in `why`. */
static bool quota_parse(char *item, const char **name, double *rate, char *why, size_t size)
{
    char *equals = strchr(item, '='), *end = NULL;
    struct suggest suggest;

    *name = "*";
    *rate = -1;
    if (strcmp(item, "aws") == 0)
        return true;
    if (equals)
        *rate = strtod(equals + 1, &end);
    if (!end || end == equals + 1 || (*end && strcmp(end, "/s") != 0) ||
        !(*rate >= 0 && *rate <= 1e9)) {
        snprintf(why, size,
            "invalid quota \"%s\" (expected OPERATION=RATE, for example AttachPolicy=15, *=100, or "
            "aws)",
            item);
        return false;
    }
    *equals = '\0';
    *name = item;
    if (strcmp(item, "*") == 0 || quota_known(item))
        return true;
    suggest_init(&suggest, item);
    operation_each(quota_offer, &suggest);
    snprintf(why, size, "unknown operation \"%s\"%s", item, suggest_hint(&suggest, ""));
    return false;
}

/* Applies the list, or only checks it if `apply` is not set. */
static bool quota_walk(
    struct quota_set *quotas, const char *text, bool apply, char *why, size_t size)
{
    char *copy = strdup(text), *rest = NULL;
    struct quota_setting setting = {quotas, 0};
    const char *name;
    bool good = copy && text[strspn(text, ", \n")];

    if (!good)
        snprintf(why, size, "the list is empty; *=0 removes all quotas");
    for (char *item = good ? strtok_r(copy, ", \n", &rest) : NULL; item && good;
         item = strtok_r(NULL, ", \n", &rest)) {
        good = quota_parse(item, &name, &setting.rate, why, size);
        if (good && apply && strcmp(name, "*") == 0)
            operation_each(quota_set_one, &setting);
        else if (good && apply)
            quota_set(quotas, name, setting.rate);
    }
    free(copy);
    return good;
}

bool quotas_set(struct quota_set *quotas, const char *text, char *why, size_t size)
{
    bool good;

    pthread_mutex_lock(&quotas->mutex);
    good = quota_walk(quotas, text, false, why, size) && quota_walk(quotas, text, true, why, size);
    pthread_mutex_unlock(&quotas->mutex);
    return good;
}

/* ------------------------------------------------------------------ taking */

double quotas_rate(struct quota_set *quotas, const char *operation)
{
    const struct quota_bucket *bucket;
    double rate;

    pthread_mutex_lock(&quotas->mutex);
    bucket = quota_find(quotas, operation);
    rate = bucket ? bucket->rate : 0;
    pthread_mutex_unlock(&quotas->mutex);
    return rate;
}

static bool quota_take(struct quota_bucket *bucket)
{
    double now = quota_seconds();

    bucket->tokens += (now - bucket->filled) * bucket->rate;
    if (bucket->tokens > quota_capacity(bucket))
        bucket->tokens = quota_capacity(bucket);
    bucket->filled = now;
    if (bucket->tokens < 1)
        return false;
    bucket->tokens -= 1;
    return true;
}

bool quotas_take(struct quota_set *quotas, const char *operation)
{
    struct quota_bucket *bucket;
    bool good;

    pthread_mutex_lock(&quotas->mutex);
    bucket = quota_find(quotas, operation);
    good = !bucket || bucket->rate <= 0 || quota_take(bucket);
    pthread_mutex_unlock(&quotas->mutex);
    return good;
}

/* The bucket of one client, created on first use. Frees the full buckets in its chain, which are
 * equal to new ones. */
static struct quota_bucket *quota_find_own(struct quota_set *quotas, const char *who, double rate)
{
    unsigned hash = 5381;
    struct quota_bucket **link, *found = NULL;

    for (const char *at = who; *at; at++)
        hash = hash * 33 + (unsigned char)*at;
    link = &quotas->own[hash % OWN_CHAINS];
    while (*link) {
        struct quota_bucket *bucket = *link;

        bucket->rate = rate;
        if (strcmp(bucket->name, who) == 0) {
            found = bucket;
        } else if (bucket->tokens + (quota_seconds() - bucket->filled) * rate >=
                   quota_capacity(bucket)) {
            *link = bucket->next;
            free(bucket);
            continue;
        }
        link = &bucket->next;
    }
    return found ? found : (*link = quota_new_bucket(who, rate));
}

bool quotas_take_for(struct quota_set *quotas, const char *operation, const char *who)
{
    const struct quota_bucket *common;
    bool good = true;

    pthread_mutex_lock(&quotas->mutex);
    common = quota_find(quotas, operation);
    if (common && common->rate > 0)
        good = quota_take(quota_find_own(quotas, who, common->rate));
    pthread_mutex_unlock(&quotas->mutex);
    return good;
}
