/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/loop_report.h"

#include <jansson.h>
#include <stdio.h>

#include "core/simulate/device_failure.h"
#include "core/simulate/simulate_loop_internal.h"

/* The same period as in monitor.c, so that the main thread's seconds are even. */
#define TICK (50 * MILLISECOND)
#define BUSY_PERIOD (SECOND / 2)

void loop_report_init(struct loop_report *report)
{
    pthread_mutex_init(&report->lock, NULL);
    report->tally = &report->tallies[0];
}

void loop_report_clear(struct loop_report *report)
{
    pthread_mutex_destroy(&report->lock);
    tally_clear(&report->tallies[0]);
    tally_clear(&report->tallies[1]);
}

static int64_t loop_report_worked(const struct simulate_loop *loop, int64_t now)
{
    return now - loop->began - loop->events.slept;
}

void loop_report_take_metrics(struct simulate_loop *loop)
{
    struct iotify_buffer text;
    const char *name;
    json_t *root, *values;

    /* Of all names that there may be, with thousands of different values each. */
    iotify_buffer_init(&text, 1 << 28);
    root = script_take_metrics(loop->scripts.context, &text)
               ? json_loads(iotify_buffer_text(&text), 0, NULL)
               : NULL;
    json_object_foreach(root, name, values)
    {
        struct tally_metric metric = {.name = name,
            .count = json_number_value(json_array_get(values, 0)),
            .sum = json_number_value(json_array_get(values, 1)),
            .min = json_number_value(json_array_get(values, 2)),
            .max = json_number_value(json_array_get(values, 3))};
        const json_t *buckets = json_array_get(values, 4);

        for (size_t i = 0; i + 1 < json_array_size(buckets); i += 2)
            distribution_add(&metric.values, (int32_t)json_number_value(json_array_get(buckets, i)),
                (int64_t)json_number_value(json_array_get(buckets, i + 1)));
        tally_add_metric(loop->report.tally, &metric);
        distribution_clear(&metric.values);
    }
    json_decref(root);
    iotify_buffer_clear(&text);
}

/* Hand the tally over if the main thread has collected the last one; else continue to fill it. */
static void loop_report_hand_over(struct loop_report *report)
{
    pthread_mutex_lock(&report->lock);
    if (!report->handed) {
        report->handed = report->tally;
        report->tally =
            report->tally == &report->tallies[0] ? &report->tallies[1] : &report->tallies[0];
    }
    pthread_mutex_unlock(&report->lock);
}

/* Scripts that exceed memory_limit end the run, before they take all memory of the computer. */
static void loop_report_check_memory(struct simulate_loop *loop)
{
    int64_t bytes;
    char text[200];

    if (loop->ending || loop->overgrown || !script_too_large(loop->scripts.context, &bytes))
        return;
    snprintf(text, sizeof(text),
        "the scripts of one loop hold %lld MiB, more than memory_limit (%lld MiB); its devices end",
        (long long)(bytes >> 20), (long long)(loop->simulation->options->memory_limit >> 20));
    device_fail(&loop->devices[0], "ScriptMemory", text);
    loop->overgrown = true;
    simulate_loop_end_devices(loop);
}

static void loop_report_on_timer(void *argument)
{
    struct simulate_loop *loop = argument;
    struct loop_report *report = &loop->report;
    int64_t now = simulate_loop_now(loop), worked = loop_report_worked(loop, now);

    if (now - report->at >= BUSY_PERIOD) {
        atomic_store(
            &report->busy, (double)(worked - report->at_worked) / (double)(now - report->at));
        report->at = now;
        report->at_worked = worked;
    }
    script_expire(loop->scripts.context);
    loop_report_check_memory(loop);
    loop_report_take_metrics(loop);
    loop_report_hand_over(report);
    loop->events.base.timer_start(report->timer, TICK);
}

void loop_report_begin(struct simulate_loop *loop)
{
    const struct iotify_loop *events = &loop->events.base;

    loop->report.at = loop->began;
    loop->report.timer = loop_timer_new(&loop->events, loop_report_on_timer, loop);
    events->timer_start(loop->report.timer, TICK);
}

void loop_report_end(struct simulate_loop *loop)
{
    struct loop_report *report = &loop->report;

    report->at = simulate_loop_now(loop);
    report->worked = loop_report_worked(loop, report->at);
    loop_report_take_metrics(loop);
    loop->events.base.timer_free(report->timer);
}

void loop_report_collect(struct loop_report *report, struct tally *tally)
{
    pthread_mutex_lock(&report->lock);
    if (report->handed) {
        tally_merge(tally, report->handed);
        tally_reset(report->handed);
        report->handed = NULL;
    }
    pthread_mutex_unlock(&report->lock);
}
