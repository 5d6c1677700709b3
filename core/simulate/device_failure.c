/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/device_failure.h"

#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/simulate/simulate_loop_internal.h"

/* Failures of the first devices that have some are also kept by device. */
static void device_failure_note(struct device *device, const char *code)
{
    struct simulate_loop *loop = device->loop;
    struct tally_device *trouble = device->trouble;

    if ((!trouble || !trouble->reasons) && loop->explained >= TALLY_DEVICES_MAX)
        return;
    trouble = device_trouble(device);
    loop->explained += trouble->reasons == NULL;
    tally_add_reason(&loop->arena, &trouble->reasons, code, 1);
}

/* Count a failure; true when no loop has logged this kind at this location yet. */
static bool device_failure_count(
    struct device *device, const char *code, const char *location, const char *text)
{
    struct tally *tally = device_tally(device);
    struct simulation_reported *reported = device->loop->simulation->reported;
    bool first;

    device_failure_note(device, code);
    /* Only a kind that is new in this tally can be new in the log. */
    if (!failure_add(&tally->arena, &tally->failures, code, location, text, device->client, 1))
        return false;
    pthread_mutex_lock(&reported->lock);
    first =
        failure_add(&reported->arena, &reported->failures, code, location, "", device->client, 1);
    pthread_mutex_unlock(&reported->lock);
    return first;
}

/* `more`: further lines of detail; "" for none. */
static void device_failure_report(struct device *device, const char *text, const char *more)
{
    char where[160];

    snprintf(where, sizeof(where), "%s[%lld]", device->loop->simulation->where,
        (long long)device->client);
    log_write_more(
        IOTIFY_LOG_WARNING, where, more, "%s (further ones of this kind are counted)", text);
}

void device_fail(struct device *device, const char *code, const char *text)
{
    if (device_failure_count(device, code, "", text))
        device_failure_report(device, text, "");
}

/* Texts that differ only in digits are of one kind. */
static const char *device_failure_kind(struct arena *arena, const char *location, const char *text)
{
    char *kind = arena_format(arena, "%s: %.100s", location, text);

    for (char *c = kind + strlen(location); *c; c++)
        if (*c >= '0' && *c <= '9')
            *c = '#';
    return kind;
}

void device_fail_script(
    struct device *device, struct script_turn turn, const struct script_error *error)
{
    struct arena arena = {0};
    const char *location = arena_format(
        &arena, "%s:%d:%d", error->location.file, error->location.line, error->location.column);
    const char *text = arena_format(&arena, "%s: %s", location, error->text);
    const char *kind = error->exact ? location : device_failure_kind(&arena, location, error->text);

    if (strcmp(error->code, "AssertionFailed") != 0)
        device_tally(device)->counts[TALLY_SCRIPT_ERRORS]++;
    /* Code of the library runs for no client. */
    if (turn.slot >= 0)
        text = arena_format(&arena, "%s (client %lld, iteration %lld)", text,
            (long long)turn.client, (long long)turn.iteration);
    if (device_failure_count(device, error->code, kind, text))
        device_failure_report(device, text,
            arena_format(&arena, "%s%s%s", error->excerpt,
                *error->excerpt && *error->stack ? "\n" : "", error->stack));
    arena_clear(&arena);
}

void device_fail_expression(struct device *device, const char *text)
{
    struct arena arena = {0};

    device_tally(device)->counts[TALLY_SCRIPT_ERRORS]++;
    device_fail(device, "ScriptError",
        arena_format(&arena, "%s (client %lld, iteration %lld)", text, (long long)device->client,
            (long long)device->iteration));
    arena_clear(&arena);
}

struct tally_device *device_trouble(struct device *device)
{
    if (!device->trouble) {
        device->trouble = arena_alloc(&device->loop->arena, sizeof(*device->trouble));
        device->trouble->client = device->client;
    }
    return device->trouble;
}
