/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/captured_lines.h"

#include <jansson.h>

#include "core/base/clock.h"
#include "core/pipeline/host.h"
#include "core/pipeline/run.h"
#include "core/simulate/console.h"
#include "core/simulate/script_commands.h"
#include "core/simulate/simulate_loop_internal.h"
#include "core/simulate/solo.h"

void captured_lines_on_console(
    void *given, enum iotify_level level, const struct script_turn *turn, const char *text)
{
    struct simulate_loop *loop = given;
    struct loop_scripts *scripts = &loop->scripts;
    struct captured_line *line;

    if (loop->simulation->solo)
        solo_console(loop, level, text);
    else if (console_may_log(loop->simulation->console, level))
        host_console(loop->simulation->run, level, turn, text);
    if (!loop->simulation->options->capture_logs ||
        !capture_wants(loop->simulation->capture, turn->client, turn->iteration))
        return;
    line = arena_alloc(&scripts->lines_arena, sizeof(*line));
    *line = (struct captured_line){turn->client, turn->iteration, level,
        arena_string(&scripts->lines_arena, text), scripts->lines};
    scripts->lines = line;
}

void captured_lines_forget(struct simulate_loop *loop)
{
    if (!loop->scripts.lines)
        return;
    loop->scripts.lines = NULL;
    arena_clear(&loop->scripts.lines_arena);
}

static json_t *captured_lines_json(const struct device *device)
{
    json_t *list = json_array();

    for (const struct captured_line *line = device->loop->scripts.lines; line; line = line->next)
        if (line->client == device->client && line->iteration == device->iteration)
            json_array_insert_new(list, 0, json_string(line->text)); /* the latest is first */
    return list;
}

static double captured_lines_seconds(const struct device *device, int64_t now)
{
    return (double)(now - device->loop->began) / SECOND;
}

static void captured_lines_on_returned(void *argument, const struct script_command *command)
{
    json_t *payload = capture_bytes(command->payload.data, command->payload.size);

    json_array_append_new(argument,
        command->topic ? json_pack("{s:s, s:o}", "topic", command->topic, "payload", payload)
                       : payload);
}

/* What message() returned: a payload, the items of a list, or NULL for nothing. */
static json_t *captured_lines_payload(
    const struct device *device, const struct script_output *output)
{
    json_t *list;

    if (output->has_output)
        return capture_bytes(output->bytes.data, output->bytes.size);
    list = json_array();
    script_commands_returned(device, captured_lines_on_returned, list);
    if (json_array_size(list))
        return list;
    json_decref(list);
    return NULL;
}

void *captured_lines_message(struct device *device, const struct script_output *output, int64_t now)
{
    const struct simulate_loop *loop = device->loop;
    const struct simulate_options *options = loop->simulation->options;
    struct iotify_buffer text;
    json_t *object, *payload;

    if (!capture_wants(loop->simulation->capture, device->client, device->iteration))
        return NULL;
    object = json_pack("{s:s, s:I, s:I, s:f, s:f, s:f}", "event", "message", "client",
        (json_int_t)device->client, "iteration", (json_int_t)device->iteration, "seconds",
        captured_lines_seconds(device, now), "late_seconds",
        (double)(now - device->intended) / SECOND, "script_seconds",
        (double)output->nanoseconds / SECOND);
    json_object_set_new(object, "ok", json_null());
    if (output->error)
        json_object_set_new(object, "error", json_string(output->error->text));
    payload = options->capture_payload ? captured_lines_payload(device, output) : NULL;
    if (payload)
        json_object_set_new(object, "payload", payload);
    if (options->capture_state) {
        iotify_buffer_init(&text, 1 << 20);
        if (script_show_state(loop->scripts.context, device - loop->devices, &text))
            json_object_set_new(object, "state", json_loads(iotify_buffer_text(&text), 0, NULL));
        iotify_buffer_wipe(&text);
    }
    if (options->capture_logs)
        json_object_set_new(object, "logs", captured_lines_json(device));
    return object;
}

void captured_lines_end(const struct device *device, void *line, bool ok)
{
    if (!line)
        return;
    json_object_set_new(line, "ok", json_boolean(ok));
    capture_add(device->loop->simulation->capture, line);
}

void captured_lines_response(
    const struct device *device, const char *topic, struct iotify_bytes payload)
{
    struct simulate_loop *loop = device->loop;
    struct capture *into = loop->simulation->capture;
    json_t *object;

    if (!capture_wants(into, device->client, device->iteration))
        return;
    object = json_pack("{s:s, s:I, s:I, s:f, s:s}", "event", "response", "client",
        (json_int_t)device->client, "iteration", (json_int_t)device->iteration, "seconds",
        captured_lines_seconds(device, simulate_loop_now(loop)), "topic", topic);
    if (loop->simulation->options->capture_payload)
        json_object_set_new(object, "payload", capture_bytes(payload.data, payload.size));
    if (loop->simulation->options->capture_logs)
        json_object_set_new(object, "logs", captured_lines_json(device));
    capture_add(into, object);
    captured_lines_forget(loop);
}
