/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report/summary.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/clock.h"

void summary_init(struct summary *summary, const char *job)
{
    uint64_t number;

    *summary = (struct summary){.began = clock_now()};
    summary->job = arena_string(&summary->arena, job);
    clock_wall(summary->started, sizeof(summary->started));
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        number = (uint64_t)summary->began;
    snprintf(summary->run, sizeof(summary->run), "%016llx", (unsigned long long)number);
}

void summary_end(struct summary *summary)
{
    clock_wall(summary->ended, sizeof(summary->ended));
    summary->seconds = (double)(clock_now() - summary->began) / (double)SECOND;
}

void summary_clear(struct summary *summary)
{
    tally_clear(&summary->simulate.tally);
    for (struct step_summary *step = summary->steps; step; step = step->next)
        if (step->simulate)
            tally_clear(&step->simulate->tally);
    arena_clear(&summary->arena);
}

struct step_summary *summary_add_step(
    struct summary *summary, const char *pipeline, const char *step, const char *scope)
{
    struct step_summary *entry = arena_alloc(&summary->arena, sizeof(*entry));
    struct step_summary **end = &summary->steps;

    entry->pipeline = arena_string(&summary->arena, pipeline);
    entry->step = arena_string(&summary->arena, step);
    entry->scope = scope;
    clock_wall(entry->started, sizeof(entry->started));
    while (*end)
        end = &(*end)->next;
    *end = entry;
    summary_name_step(summary, entry, step);
    return entry;
}

static bool summary_has_name(
    const struct summary *summary, const struct step_summary *step, const char *name)
{
    for (const struct step_summary *each = summary->steps; each != step; each = each->next)
        if (strcmp(each->name, name) == 0 &&
            (strcmp(each->pipeline, step->pipeline) == 0 || (each->simulate && step->simulate)))
            return true;
    return false;
}

void summary_name_step(struct summary *summary, struct step_summary *step, const char *name)
{
    step->name = arena_string(&summary->arena, name);
    for (int number = 2; summary_has_name(summary, step, step->name); number++)
        step->name = arena_format(&summary->arena, "%s %d", name, number);
}

void summary_add_failure(struct summary *summary, struct failure **list, const char *code,
    const char *message, int64_t client)
{
    failure_add(&summary->arena, list, code, "", message, client, 1);
}

struct simulate_summary *summary_begin_simulate(struct summary *summary, struct step_summary *step)
{
    step->simulate = arena_alloc(&summary->arena, sizeof(*step->simulate));
    return step->simulate;
}

void summary_end_simulate(struct summary *summary, const struct simulate_summary *results)
{
    struct simulate_summary *total = &summary->simulate;

    if (!results->present)
        return;
    /* The stages of several steps do not add up. */
    total->stages = total->present ? NULL : results->stages;
    total->stage_count = total->present ? 0 : results->stage_count;
    total->present = true;
    tally_merge(&total->tally, &results->tally);
    /* Steps run one after the other: add the times, average the CPU load over them. */
    if (total->seconds + results->seconds > 0)
        total->cpu = (total->cpu * total->seconds + results->cpu * results->seconds) /
                     (total->seconds + results->seconds);
    total->seconds += results->seconds;
    total->busy = results->busy > total->busy ? results->busy : total->busy;
    total->saturated = total->saturated || results->saturated;
    total->verified = total->verified || results->verified;
    if (total->glob.failed == 0)
        memcpy(total->glob.error, results->glob.error, sizeof(total->glob.error));
    total->glob.failed += results->glob.failed;
    total->glob.blocking += results->glob.blocking;
    total->glob.blocking_seconds += results->glob.blocking_seconds;
}

void summary_add_threshold(struct summary *summary, const struct threshold_summary *threshold)
{
    struct threshold_summary *entry = arena_alloc(&summary->arena, sizeof(*entry));
    struct threshold_summary **end = &summary->thresholds;

    *entry = *threshold;
    /* As soon as there is a second simulation, all say whose they are. */
    for (struct threshold_summary *each = summary->thresholds; each; each = each->next) {
        each->is_one_of_several = each->is_one_of_several || each->simulate != entry->simulate;
        entry->is_one_of_several = entry->is_one_of_several || each->simulate != entry->simulate;
    }
    entry->expression = arena_string(&summary->arena, threshold->expression);
    entry->why = arena_string(&summary->arena, threshold->why);
    entry->next = NULL;
    while (*end)
        end = &(*end)->next;
    *end = entry;
}
