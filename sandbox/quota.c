#include "sandbox/quota.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/suggest.h"
#include "sandbox/operation.h"

struct bucket {
    char name[200];
    double rate, tokens;
    double filled; /* seconds of the monotonic clock */
    struct bucket *next;
};

struct quotas {
    pthread_mutex_t mutex;
    struct bucket *buckets;
};

struct quotas *quotas_new(void)
{
    struct quotas *quotas = calloc(1, sizeof(*quotas));

    if (!quotas)
        abort();
    pthread_mutex_init(&quotas->mutex, NULL);
    return quotas;
}

void quotas_free(struct quotas *quotas)
{
    if (!quotas)
        return;
    while (quotas->buckets) {
        struct bucket *bucket = quotas->buckets;

        quotas->buckets = bucket->next;
        free(bucket);
    }
    pthread_mutex_destroy(&quotas->mutex);
    free(quotas);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct bucket *find(struct quotas *quotas, const char *name)
{
    struct bucket *bucket = quotas->buckets;

    while (bucket && strcmp(bucket->name, name) != 0)
        bucket = bucket->next;
    return bucket;
}

/* A burst may take what a second allows, as AWS's buckets do. */
static double capacity(const struct bucket *bucket)
{
    return bucket->rate > 1 ? bucket->rate : 1;
}

static void set(struct quotas *quotas, const char *name, double rate)
{
    struct bucket *bucket = find(quotas, name);

    if (!bucket) {
        bucket = calloc(1, sizeof(*bucket));
        if (!bucket)
            abort();
        snprintf(bucket->name, sizeof(bucket->name), "%s", name);
        bucket->next = quotas->buckets;
        quotas->buckets = bucket;
    }
    bucket->rate = rate;
    bucket->tokens = capacity(bucket);
    bucket->filled = seconds();
}

/* ------------------------------------------------------------------ setting */

struct setting {
    struct quotas *quotas;
    double rate; /* negative: AWS's default of each */
};

static void set_one(void *argument, const struct operation *operation)
{
    const struct setting *setting = argument;

    if (operation->rate > 0)
        set(setting->quotas, operation->name, setting->rate < 0 ? operation->rate : setting->rate);
}

static void offer(void *argument, const struct operation *operation)
{
    suggest_offer(argument, operation->name);
}

static bool known(const char *name)
{
    return operation_by_name(name) || strcmp(name, QUOTA_CONNECT) == 0 ||
           strcmp(name, QUOTA_CONNECT_CLIENT) == 0;
}

bool quotas_set(struct quotas *quotas, const char *text, char *why, size_t size)
{
    const char *equals = strchr(text, '=');
    struct setting setting = {quotas, -1};
    struct suggest suggest;
    char name[64], *end = NULL;

    if (strcmp(text, "aws") == 0) {
        pthread_mutex_lock(&quotas->mutex);
        operation_each(set_one, &setting);
        pthread_mutex_unlock(&quotas->mutex);
        return true;
    }
    if (equals && (size_t)(equals - text) < sizeof(name))
        setting.rate = strtod(equals + 1, &end);
    if (!end || end == equals + 1 || (*end && strcmp(end, "/s") != 0) || setting.rate < 0 ||
        setting.rate > 1e9) {
        snprintf(why, size,
            "\"%s\" is no quota; write OPERATION=RATE, for example AttachPolicy=15, "
            "*=100, or aws",
            text);
        return false;
    }
    snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
    if (strcmp(name, "*") != 0 && !known(name)) {
        suggest_init(&suggest, name);
        operation_each(offer, &suggest);
        snprintf(why, size, "unknown operation \"%s\"%s%s%s", name,
            suggest.best ? "; did you mean \"" : "", suggest.best ? suggest.best : "",
            suggest.best ? "\"?" : "");
        return false;
    }
    pthread_mutex_lock(&quotas->mutex);
    if (strcmp(name, "*") == 0)
        operation_each(set_one, &setting);
    else
        set(quotas, name, setting.rate);
    pthread_mutex_unlock(&quotas->mutex);
    return true;
}

/* ------------------------------------------------------------------ taking */

double quotas_rate(struct quotas *quotas, const char *operation)
{
    const struct bucket *bucket;
    double rate;

    pthread_mutex_lock(&quotas->mutex);
    bucket = find(quotas, operation);
    rate = bucket ? bucket->rate : 0;
    pthread_mutex_unlock(&quotas->mutex);
    return rate;
}

static bool take(struct bucket *bucket)
{
    double now = seconds();

    bucket->tokens += (now - bucket->filled) * bucket->rate;
    if (bucket->tokens > capacity(bucket))
        bucket->tokens = capacity(bucket);
    bucket->filled = now;
    if (bucket->tokens < 1)
        return false;
    bucket->tokens -= 1;
    return true;
}

bool quotas_take(struct quotas *quotas, const char *operation)
{
    struct bucket *bucket;
    bool good;

    pthread_mutex_lock(&quotas->mutex);
    bucket = find(quotas, operation);
    good = !bucket || bucket->rate <= 0 || take(bucket);
    pthread_mutex_unlock(&quotas->mutex);
    return good;
}

bool quotas_take_for(struct quotas *quotas, const char *operation, const char *who)
{
    const struct bucket *common;
    char name[200];
    bool good = true;

    pthread_mutex_lock(&quotas->mutex);
    common = find(quotas, operation);
    if (common && common->rate > 0) {
        double rate = common->rate;

        snprintf(name, sizeof(name), "%s/%s", operation, who);
        if (!find(quotas, name))
            set(quotas, name, rate);
        good = take(find(quotas, name));
    }
    pthread_mutex_unlock(&quotas->mutex);
    return good;
}
