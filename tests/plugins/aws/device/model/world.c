/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/plugins/aws/device/model/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/device/account_view.h"
#include "plugins/aws/device/device.h"
#include "plugins/aws/device/orphan.h"
#include "plugins/aws/device/remove_device.h"
#include "tests/plugins/aws/device/model/world_internal.h"

/* More repetitions of a call than AWS's delays can cause. */
enum { STAGES_MAX = 100 };

struct world world;

/* ------------------------------------------------------------------ memory of a call */

void *world_take(struct iotify_call *call, size_t size)
{
    struct model_call *own = (struct model_call *)call;
    struct block *block = calloc(1, sizeof(*block) + size);

    if (!block)
        abort();
    block->next = own->blocks;
    own->blocks = block;
    return block->data;
}

static void end_call(struct model_call *call)
{
    while (call->blocks) {
        struct block *next = call->blocks->next;

        free(call->blocks);
        call->blocks = next;
    }
}

/* ------------------------------------------------------------------ the schedule */

static enum fault fault_at(size_t choice, bool write)
{
    static const enum fault of_calls[] = {FAULT_NONE, FAULT_CRASH_BEFORE, FAULT_CRASH_AFTER,
        FAULT_NOT_DONE, FAULT_LOST_REPLY, FAULT_THROTTLE, FAULT_STOPPED, FAULT_ABANDONED};
    static const enum fault of_writes[] = {
        FAULT_NONE, FAULT_CRASH_BEFORE, FAULT_CRASH_AFTER, FAULT_NOT_DONE};
    size_t count = 1;

    if (world.schedule->crashes) {
        count = write ? sizeof(of_writes) / sizeof(of_writes[0])
                      : sizeof(of_calls) / sizeof(of_calls[0]);
        if (choice < count)
            return write ? of_writes[choice] : of_calls[choice];
    }
    if (choice == 0)
        return FAULT_NONE;
    return choice - count == 0 ? FAULT_OTHER_DEPLOYS : FAULT_OTHER_CLEANS;
}

static size_t count_choices(bool write)
{
    size_t count = world.schedule->crashes ? (write ? 4 : 8) : 1;

    return count + (world.schedule->others ? 2 : 0);
}

static void run_other(enum fault fault)
{
    world.nested = true;
    if (fault == FAULT_OTHER_DEPLOYS)
        world_deploy();
    else
        world_cleanup();
    world.nested = false;
}

/* The fault at this point; FAULT_CRASH_BEFORE at every point after a crash. */
enum fault world_choose(bool write)
{
    struct schedule *schedule = world.schedule;
    size_t at = schedule->met, choice;
    enum fault fault;

    if (world.crashed)
        return FAULT_CRASH_BEFORE;
    if (world.nested || world.alone || at >= POINTS_MAX)
        return FAULT_NONE;
    schedule->met++;
    schedule->choices[at] =
        (unsigned char)(schedule->faults < schedule->faults_max ? count_choices(write) : 1);
    choice = at < schedule->length ? schedule->chosen[at] : 0;
    schedule->chosen[at] = (unsigned char)choice;
    schedule->faults += choice > 0;
    fault = fault_at(choice, write);
    if (fault == FAULT_CRASH_BEFORE)
        world.crashed = true;
    if (fault != FAULT_OTHER_DEPLOYS && fault != FAULT_OTHER_CLEANS)
        return fault;
    run_other(fault);
    return FAULT_NONE;
}

/* ------------------------------------------------------------------ the rest of the host */

/* Note which certificates a warning names: those that may be orphans must be named. */
IOTIFY_PRINTF(3, 4)
static void model_log(struct iotify_call *call, enum iotify_level level, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    (void)call;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    for (size_t i = 0; level == IOTIFY_LOG_WARNING && i < world.certificate_count; i++)
        if (strstr(text, world.certificates[i].id))
            world.certificates[i].mentioned = true;
}

static enum iotify_result model_fail(
    struct iotify_call *call, enum iotify_result result, const char *code, const char *format, ...)
{
    (void)call;
    (void)code;
    (void)format;
    return result;
}

static enum iotify_result model_wait(struct iotify_call *call, int64_t nanoseconds)
{
    (void)call;
    (void)nanoseconds;
    return world.crashed || world.stopped ? IOTIFY_RESULT_CANCELLED : IOTIFY_RESULT_OK;
}

static enum iotify_result model_later(struct iotify_call *call, int64_t nanoseconds, int stage)
{
    struct model_call *own = (struct model_call *)call;

    (void)nanoseconds;
    own->later = true;
    own->later_stage = stage;
    return IOTIFY_RESULT_LATER;
}

static const char *job_name(struct iotify_call *call)
{
    (void)call;
    return "job";
}

static unsigned model_repair_mode(struct iotify_call *call)
{
    (void)call;
    return world.repair_mode;
}

static void model_repaired(struct iotify_call *call, const char *what)
{
    (void)call, (void)what;
}

static void model_plan_change(struct iotify_call *call, enum iotify_change change, const char *kind,
    const char *name, const char *why)
{
    (void)call, (void)change, (void)kind, (void)name, (void)why;
}

static void model_plan_calls(struct iotify_call *call, const char *operation, int64_t count)
{
    (void)call, (void)operation, (void)count;
}

static const struct iotify_host host = {
    .struct_size = sizeof(host),
    .log = model_log,
    .fail = model_fail,
    .alloc = world_take,
    .wait = model_wait,
    .glob_get = world_glob_get,
    .glob_apply = world_glob_apply,
    .record_get = world_record_get,
    .record_set = world_record_set,
    .records = world_records,
    .records_write = world_records_write,
    .job_name = job_name,
    .later = model_later,
    .all_records = world_records,
    .repair_mode = model_repair_mode,
    .repaired = model_repaired,
    .plan_change = model_plan_change,
    .plan_calls = model_plan_calls,
};

/* ------------------------------------------------------------------ runs */

void world_reset(struct schedule *schedule, const struct device_options *options)
{
    world_clear();
    world.schedule = schedule;
    world.options = *options;
    for (int i = 0; i < DEVICES; i++)
        world.things[i].there = world.things[i].foreign = options->adopt;
    schedule->met = 0;
    schedule->faults = 0;
}

void world_clear(void)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        free(world.store[i].value);
        free(world.backup[i].value);
    }
    memset(&world, 0, sizeof(world));
}

void world_be_alone(bool alone)
{
    world.alone = alone;
}

static bool step(struct aws_instance *instance,
    enum iotify_result (*function)(void *instance, struct iotify_call *call), int64_t client)
{
    struct device_options options = world.options;
    struct model_call call = {.base = {.host = &host, .client = client, .arguments = &options}};
    int stages = 0;
    char thing[TEXT], key[TEXT], certificate[TEXT];
    enum iotify_result result;

    snprintf(thing, sizeof(thing), "thing-%d", (int)client);
    snprintf(key, sizeof(key), "key-%d", (int)client);
    snprintf(certificate, sizeof(certificate), "cert-%d", (int)client);
    options.thing = thing;
    options.key = key;
    options.cert = certificate;
    do {
        call.later = false;
        result = function(instance, &call.base);
        call.base.stage = call.later_stage;
        end_call(&call);
    } while (result == IOTIFY_RESULT_LATER && call.later && !world.crashed && !world.stopped &&
             stages++ < STAGES_MAX);
    return result <= IOTIFY_RESULT_UNCHANGED;
}

/* Run an action for all devices, or for those with a record; `function` NULL: its apply(). */
static bool run(const struct iotify_action *action,
    enum iotify_result (*function)(void *instance, struct iotify_call *call), bool all)
{
    bool whole = !function;
    static const struct aws_options no_options;
    struct aws_instance instance = {.options = &no_options,
        .target = {.region = "r"},
        .names = {.policy = "policy", .group = "group"}};
    bool good = true;

    world.crashed = world.nested && world.crashed;
    world.stopped = world.nested && world.stopped;
    pthread_mutex_init(&instance.mutex, NULL);
    pthread_mutex_init(&instance.orphans_mutex, NULL);
    unique_names_init(&instance.unique_names);
    if (whole && action->begin)
        good = step(&instance, action->begin, -1);
    for (int i = 0; i < DEVICES && good; i++)
        if (all || world.store[i].value)
            good = step(&instance, whole ? action->apply : function, i) && good;
    if (whole && !world.crashed && !world.stopped && action->conclude)
        good = step(&instance, action->conclude, -1) && good;
    orphan_reset(&instance);
    account_view_free(instance.view);
    unique_names_clear(&instance.unique_names);
    pthread_mutex_destroy(&instance.orphans_mutex);
    pthread_mutex_destroy(&instance.mutex);
    return good && !world.crashed && !world.stopped;
}

bool world_deploy(void)
{
    return run(&aws_device_action, NULL, true);
}

bool world_cleanup(void)
{
    return run(&aws_remove_device_action, NULL, false);
}

bool world_recover(void)
{
    return run(&aws_device_action, aws_device_action.recover, true);
}

static void copy_entries(struct entry *to, const struct entry *from)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        free(to[i].value);
        to[i].value = from[i].value ? strdup(from[i].value) : NULL;
    }
}

void world_back_up(void)
{
    copy_entries(world.backup, world.store);
}

void world_set_back(void)
{
    copy_entries(world.store, world.backup);
    world.disowned = true;
}

size_t world_pick(size_t choices)
{
    struct schedule *schedule = world.schedule;
    size_t at = schedule->met++, choice = at < schedule->length ? schedule->chosen[at] : 0;

    if (at >= POINTS_MAX)
        abort();
    schedule->choices[at] = (unsigned char)choices;
    schedule->chosen[at] = (unsigned char)choice;
    return choice;
}

void world_drift(enum drift_by_hand drift)
{
    struct thing *thing = &world.things[0];
    struct certificate *certificate = world_find_certificate(thing->certificate);
    static const struct thing none;

    switch (drift) {
    case BY_HAND_NOTHING:
    case BY_HAND_DRIFTS:
        break;
    case BY_HAND_DELETE_THING:
        *thing = none;
        certificate->has_thing = false;
        break;
    case BY_HAND_DELETE_CERTIFICATE:
        certificate->there = false;
        break;
    case BY_HAND_DETACH_POLICY:
        certificate->has_policy = false;
        break;
    case BY_HAND_DETACH_THING:
        certificate->has_thing = false;
        break;
    case BY_HAND_LEAVE_GROUP:
        thing->in_group = false;
        break;
    case BY_HAND_LOSE_GLOB:
        free(world.store[KEYS].value);
        world.store[KEYS].value = NULL;
        break;
    case BY_HAND_DEACTIVATE:
        certificate->active = false;
        break;
    }
    world.repair_mode = (drift == BY_HAND_DETACH_THING ? (unsigned)IOTIFY_REPAIR_VERIFY_ALL : 0) |
                        (drift == BY_HAND_DEACTIVATE ? (unsigned)IOTIFY_REPAIR_ALL : 0);
}

void world_be_slow(void)
{
    world.slow = true;
}
