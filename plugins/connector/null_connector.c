/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connector without a service: it keeps a record and glob entries for each device, as others do,
 * with calls that take a set time. To measure and test what is not the service: fan-out, pacing,
 * retries, records, the store.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <iotify/connector.h>

struct null_connector_options {
    int64_t latency;
    double rate, throttled, failed;
};

static const struct iotify_setting null_connector_items[] = {
    {.name = "latency",
        .type = IOTIFY_TYPE_DURATION,
        .offset = offsetof(struct null_connector_options, latency),
        .value = "0s",
        .max = INT64_C(60000000000),
        .help = "time that each call takes"},
    {.name = "rate",
        .type = IOTIFY_TYPE_RATE,
        .offset = offsetof(struct null_connector_options, rate),
        .value = "0",
        .help = "calls per second that are allowed; 0: any number"},
    {.name = "throttle",
        .type = IOTIFY_TYPE_SHARE,
        .offset = offsetof(struct null_connector_options, throttled),
        .value = "0%",
        .help = "share of the calls that are throttled, and repeated by the host"},
    {.name = "fail",
        .type = IOTIFY_TYPE_SHARE,
        .offset = offsetof(struct null_connector_options, failed),
        .value = "0%",
        .help = "share of the devices that cannot be created"},
};
static const struct iotify_settings null_connector_settings =
    IOTIFY_SETTINGS(null_connector_items, struct null_connector_options);

static enum iotify_result null_connector_open(
    struct iotify_call *call, const void *options, void **instance)
{
    (void)call;
    *instance = (void *)options;
    return IOTIFY_RESULT_OK;
}

static void null_connector_close(void *instance)
{
    (void)instance;
}

static enum iotify_result null_connector_connect(
    void *instance, struct iotify_call *call, const char **realm)
{
    (void)instance, (void)call;
    *realm = "null";
    return IOTIFY_RESULT_OK;
}

static double null_connector_rate(void *instance, const char *operation, bool *known)
{
    const struct null_connector_options *options = instance;

    (void)operation;
    *known = true;
    return options->rate;
}

/* ------------------------------------------------------------------ calls */

/* The calls of one device; which of them fail follows from its number and that of the call. */
struct null_connector_request {
    const struct null_connector_options *options;
    bool creates;
    unsigned calls;
};

/* Spread evenly over the devices: true for the share of the numbers from 0 on. */
static bool null_connector_is_chosen(double share, uint64_t number)
{
    return (uint64_t)((double)(number + 1) * share) > (uint64_t)((double)number * share);
}

static enum iotify_result null_connector_call(struct iotify_call *call, void *argument)
{
    struct null_connector_request *request = argument;
    const struct null_connector_options *options = request->options;
    struct timespec pause = {options->latency / 1000000000, options->latency % 1000000000};

    nanosleep(&pause, NULL);
    if (request->calls++ == 0 &&
        null_connector_is_chosen(options->throttled, (uint64_t)call->client))
        return call->host->fail(
            call, IOTIFY_RESULT_THROTTLED, "Throttled", "the setting `throttle`");
    if (request->creates && null_connector_is_chosen(options->failed, (uint64_t)call->client))
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "Refused", "the setting `fail`");
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ null.device */

struct null_connector_device_options {
    const char *name, *key, *value;
};

static const struct iotify_setting null_connector_device_items[] = {
    {.name = "name",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = offsetof(struct null_connector_device_options, name),
        .value = "null_{{client()}}",
        .help = "name of the device"},
    {.name = "key",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION | IOTIFY_FLAG_GLOB_KEY,
        .offset = offsetof(struct null_connector_device_options, key),
        .value = "null_{{client()}}",
        .help = "glob key of the device's value"},
    {.name = "value",
        .type = IOTIFY_TYPE_SECRET,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = offsetof(struct null_connector_device_options, value),
        .value = "{{client()}}",
        .help = "the value that is kept for it"},
};
static const struct iotify_settings null_connector_device_settings =
    IOTIFY_SETTINGS(null_connector_device_items, struct null_connector_device_options);

/* The record is the glob key: what a removal has to delete. */
static enum iotify_result null_connector_device_apply(void *instance, struct iotify_call *call)
{
    const struct null_connector_device_options *options = call->arguments;
    struct null_connector_request request = {.options = instance, .creates = true};
    struct iotify_write glob = {.kind = IOTIFY_WRITE_PUT,
        .key = options->key,
        .value = {options->value, strlen(options->value)}};
    struct iotify_bytes record;
    enum iotify_result result = call->host->record_get(call, &record);

    if (result == IOTIFY_RESULT_OK)
        return IOTIFY_RESULT_UNCHANGED;
    if (result != IOTIFY_RESULT_NOT_FOUND)
        return result;
    result = call->host->perform(call, "CreateDevice", null_connector_call, &request);
    if (result != IOTIFY_RESULT_OK)
        return result;
    return call->host->record_set(call, (struct iotify_bytes){NULL, 0},
        (struct iotify_bytes){options->key, strlen(options->key)}, &glob, 1);
}

static enum iotify_result null_connector_device_plan(void *instance, struct iotify_call *call)
{
    const struct null_connector_device_options *options = call->arguments;
    struct iotify_bytes record;
    enum iotify_result result = call->host->record_get(call, &record);

    (void)instance;
    if (result != IOTIFY_RESULT_OK && result != IOTIFY_RESULT_NOT_FOUND)
        return result;
    if (options)
        call->host->plan_change(call,
            result == IOTIFY_RESULT_OK ? IOTIFY_CHANGE_KEEP : IOTIFY_CHANGE_CREATE, "device",
            options->name, NULL);
    else
        call->host->plan_change(call, IOTIFY_CHANGE_DELETE, "device", record.data, NULL);
    if (!options || result == IOTIFY_RESULT_NOT_FOUND)
        call->host->plan_calls(call, options ? "CreateDevice" : "DeleteDevice", 1);
    return IOTIFY_RESULT_OK;
}

static void null_connector_device_estimate(void *instance, struct iotify_call *call)
{
    (void)instance;
    call->host->plan_calls(call, "CreateDevice", 1);
}

/* ------------------------------------------------------------------ null.remove_device */

static enum iotify_result null_connector_remove_apply(void *instance, struct iotify_call *call)
{
    struct null_connector_request request = {.options = instance};
    struct iotify_write glob = {.kind = IOTIFY_WRITE_DELETE};
    struct iotify_bytes record;
    enum iotify_result result = call->host->record_get(call, &record);

    if (result == IOTIFY_RESULT_NOT_FOUND)
        return IOTIFY_RESULT_UNCHANGED;
    if (result == IOTIFY_RESULT_OK)
        result = call->host->perform(call, "DeleteDevice", null_connector_call, &request);
    if (result != IOTIFY_RESULT_OK)
        return result;
    glob.key = record.data;
    return call->host->record_set(call, record, (struct iotify_bytes){NULL, 0}, &glob, 1);
}

static enum iotify_result null_connector_remove_plan(void *instance, struct iotify_call *call)
{
    struct iotify_bytes record;
    enum iotify_result result = call->host->record_get(call, &record);

    (void)instance;
    if (result != IOTIFY_RESULT_OK)
        return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_UNCHANGED : result;
    call->host->plan_change(call, IOTIFY_CHANGE_DELETE, "device", record.data, NULL);
    call->host->plan_calls(call, "DeleteDevice", 1);
    return IOTIFY_RESULT_OK;
}

static void null_connector_remove_estimate(void *instance, struct iotify_call *call)
{
    (void)instance;
    call->host->plan_calls(call, "DeleteDevice", 1);
}

/* ------------------------------------------------------------------ the plugin */

static const struct iotify_action null_connector_device_action = {
    .name = "device",
    .summary = "record a device and its glob entry",
    .scope = IOTIFY_SCOPE_DEVICE,
    .settings = &null_connector_device_settings,
    .apply = null_connector_device_apply,
    .plan = null_connector_device_plan,
    .estimate = null_connector_device_estimate,
    .remove = null_connector_remove_apply,
};

static const struct iotify_action null_connector_remove_action = {
    .name = "remove_device",
    .summary = "delete the record and the glob entry of each recorded device",
    .scope = IOTIFY_SCOPE_RECORD,
    .settings = IOTIFY_NO_SETTINGS,
    .apply = null_connector_remove_apply,
    .plan = null_connector_remove_plan,
    .estimate = null_connector_remove_estimate,
};

static const struct iotify_action *const null_connector_actions[] = {
    &null_connector_device_action, &null_connector_remove_action};

static const struct iotify_default_step null_connector_steps[] = {
    {.pipeline = "deploy", .step = ".device", .settings = "{}"},
    {.pipeline = "cleanup", .step = ".remove_device", .settings = "{}"},
};

static const struct iotify_connector null_connector_operations = {
    IOTIFY_CONNECTOR_SIZES,
    .threads = IOTIFY_THREADS_PARALLEL,
    .open = null_connector_open,
    .close = null_connector_close,
    .connect = null_connector_connect,
    .rate = null_connector_rate,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_CONNECTOR, .name = "null-connector", .version = IOTIFY_VERSION,
    .summary = "no service: keeps records of devices, with calls that take a set time",
    .settings = &null_connector_settings, .operations = &null_connector_operations,
    .actions = null_connector_actions,
    .action_count = sizeof(null_connector_actions) / sizeof(null_connector_actions[0]),
    .action_size = sizeof(struct iotify_action), .default_steps = null_connector_steps,
    .default_step_count = sizeof(null_connector_steps) / sizeof(null_connector_steps[0]),
    .default_step_size = sizeof(null_connector_steps[0]));
