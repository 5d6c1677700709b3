/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/loop_scripts.h"

#include <stdlib.h>

#include "core/simulate/device_failure.h"
#include "core/simulate/simulate_loop_internal.h"

/* More promises can resume: continue after the loop's other work. */
static void loop_scripts_on_more(void *argument)
{
    struct simulate_loop *loop = argument;

    if (loop->scripts.resume_timer)
        loop->events.base.timer_start(loop->scripts.resume_timer, 0);
}

/* The promise of a call is settled, or a promise that no call waits for has failed. */
static void loop_scripts_on_settled(void *argument, enum script_function function,
    const struct script_turn *turn, const struct script_output *output)
{
    struct simulate_loop *loop = argument;
    struct device *device =
        turn->slot >= 0 && turn->slot < (int64_t)loop->count ? &loop->devices[turn->slot] : NULL;

    /* Code of the library runs for no device: report it for the loop's first one. */
    if (!device && output->error)
        device_fail_script(&loop->devices[0], *turn, output->error);
    else if (device && function == SCRIPT_MESSAGE)
        message_settled(device, output);
    else if (device)
        device_settled(device, function, *turn, output);
}

static void loop_scripts_on_read(void *argument, const char *key)
{
    struct simulate_loop *loop = argument;

    if (loop->scripts.prefetch)
        prefetch_note(loop->scripts.prefetch, key);
}

static bool loop_scripts_compile_subscriptions(
    struct simulate_loop *loop, struct diagnostics *diagnostics)
{
    const struct template_file *template = loop->simulation->template;
    struct loop_scripts *scripts = &loop->scripts;
    bool good = true;

    scripts->subscriptions =
        memory_new(template->subscription_count, sizeof(*scripts->subscriptions));
    for (size_t i = 0; i < template->subscription_count && good; i++) {
        struct schema_expression *one = arena_alloc(&loop->arena, sizeof(*one));

        *one =
            (struct schema_expression){.setting = {.name = "subscribe", .type = IOTIFY_TYPE_STRING},
                .text = template->subscriptions[i].text,
                .location = template->subscriptions[i].location};
        good = expression_set_compile(&scripts->subscriptions[i], scripts->context,
            expression_is_constant(one->text) ? NULL : one, diagnostics);
    }
    return good;
}

static struct script_facts loop_scripts_facts(struct simulate_loop *loop)
{
    const struct simulation *simulation = loop->simulation;
    struct script_facts facts = {.job = simulation->run->job->options->name,
        .clients = simulation->clients,
        .iterations = simulation->iterations,
        .interval = simulation->options->interval,
        .seed = (uint64_t)simulation->options->seed,
        .time_limit = simulation->options->time_limit,
        .wait_limit = simulation->options->wait_limit,
        .memory_limit = simulation->options->memory_limit,
        .settings = simulation->settings,
        .busy_since = &loop->scripts.busy_since};

    template_facts(simulation->template, &facts);
    return facts;
}

bool loop_scripts_open(struct simulate_loop *loop)
{
    const struct template_file *template = loop->simulation->template;
    struct loop_scripts *scripts = &loop->scripts;
    const struct script_services services = {.context = loop,
        .glob = scripts->glob,
        .reads = loop_scripts_on_read,
        .console = captured_lines_on_console,
        .command = script_commands_on_asked,
        .more = loop_scripts_on_more,
        .settled = loop_scripts_on_settled};
    const struct script_facts facts = loop_scripts_facts(loop);
    struct diagnostics diagnostics = {0};
    bool good;

    scripts->context = script_new(&services, &facts);
    if (!scripts->context)
        return false;
    good = template_compile(template, scripts->context, &diagnostics) &&
           expression_set_compile(&scripts->connection, scripts->context,
               template->connection_expressions, &diagnostics) &&
           expression_set_compile(
               &scripts->publish, scripts->context, template->publish_expressions, &diagnostics) &&
           loop_scripts_compile_subscriptions(loop, &diagnostics);
    diagnostics_print(&diagnostics, stderr);
    diagnostics_clear(&diagnostics);
    return good;
}

void loop_scripts_clear(struct simulate_loop *loop)
{
    struct loop_scripts *scripts = &loop->scripts;

    expression_set_clear(&scripts->connection);
    expression_set_clear(&scripts->publish);
    for (size_t i = 0; scripts->subscriptions && i < loop->simulation->template->subscription_count;
         i++)
        expression_set_clear(&scripts->subscriptions[i]);
    free(scripts->subscriptions);
    iotify_buffer_wipe(&scripts->payload);
    arena_clear(&scripts->lines_arena);
    script_commands_clear(&scripts->commands);
}
