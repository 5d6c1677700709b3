/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/solo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/utf8.h"
#include "core/simulate/simulate_loop_internal.h"

#define SHOWN_MAX 2000

void solo_payload(struct iotify_bytes payload, struct iotify_buffer *out)
{
    size_t size = payload.size < SHOWN_MAX ? payload.size : SHOWN_MAX;
    const unsigned char *bytes = payload.data;
    bool text = true;

    for (size_t i = 0; i < size && text; i++)
        text = bytes[i] >= ' ' || bytes[i] == '\t' || bytes[i] == '\n' || bytes[i] == '\r';
    if (text) {
        char *copy = strndup((const char *)payload.data, size);

        for (char *at = copy; at && *at; at++)
            if ((unsigned char)*at < ' ')
                *at = ' ';
        iotify_buffer_string(out, copy ? utf8_clean(copy) : "");
        free(copy);
    } else {
        for (size_t i = 0; i < size; i++)
            iotify_buffer_format(out, "%02x", bytes[i]);
    }
    if (size < payload.size)
        iotify_buffer_format(out, "… (%zu bytes)", payload.size);
}

/* Print one line: the time since the start, `what`, and the text. */
static void solo_print(struct simulate_loop *loop, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void solo_print(struct simulate_loop *loop, const char *what, const char *format, ...)
{
    double seconds = loop->began ? (double)(simulate_loop_now(loop) - loop->began) / SECOND : 0;
    va_list arguments;

    va_start(arguments, format);
    log_lock();
    printf("%9.3f s  %-12s ", seconds, what);
    vprintf(format, arguments);
    putchar('\n');
    fflush(stdout);
    log_unlock();
    va_end(arguments);
}

static void solo_print_state(struct device *device)
{
    struct simulate_loop *loop = device->loop;
    struct iotify_buffer text;

    iotify_buffer_init(&text, 1 << 20);
    if (script_show_state(loop->scripts.context, device - loop->devices, &text))
        solo_print(loop, "state", "%s", iotify_buffer_text(&text));
    iotify_buffer_wipe(&text);
}

void solo_started(struct device *device)
{
    if (device->phase == PHASE_DONE)
        return;
    solo_print(device->loop, "init", "client %lld", (long long)device->client);
    solo_print_state(device);
}

void solo_connected(struct device *device, const struct iotify_connect_times *times)
{
    solo_print(device->loop, "connected", "in %.1f ms (TCP %.1f, TLS %.1f%s, session %.1f)",
        (double)(times->tcp + times->tls + times->session) / MILLISECOND,
        (double)times->tcp / MILLISECOND, (double)times->tls / MILLISECOND,
        times->resumed ? " resumed" : "", (double)times->session / MILLISECOND);
}

void solo_message(struct device *device, const void *options, struct iotify_bytes payload)
{
    struct simulate_loop *loop = device->loop;
    const char *topic =
        !options || loop->offsets.topic == SIZE_MAX
            ? ""
            : *(const char *const *)(const void *)((const char *)options + loop->offsets.topic);
    char what[32];
    struct iotify_buffer text;

    loop->solo_sent = true;
    iotify_buffer_init(&text, 16 * SHOWN_MAX);
    solo_payload(payload, &text);
    snprintf(what, sizeof(what), "message %lld", (long long)device->iteration);
    solo_print(loop, what, "%s%s%s%s", topic && *topic ? "to " : "", topic ? topic : "",
        topic && *topic ? ": " : "", iotify_buffer_text(&text));
    iotify_buffer_wipe(&text);
}

void solo_acknowledged(struct device *device, int64_t intended)
{
    solo_print(device->loop, "acknowledged", "after %.1f ms",
        (double)(simulate_loop_now(device->loop) - intended) / MILLISECOND);
}

void solo_error(struct device *device, const struct script_error *error)
{
    solo_print(device->loop, "error", "%s:%d:%d: %s", error->location.file, error->location.line,
        error->location.column, error->text);
}

void solo_state(struct device *device, bool failed)
{
    if (!failed && !device->loop->solo_sent)
        solo_print(device->loop, "no message", "iteration %lld sent nothing",
            (long long)device->iteration);
    device->loop->solo_sent = false;
    solo_print_state(device);
}

void solo_received(struct device *device, const char *topic, struct iotify_bytes payload)
{
    struct iotify_buffer text;

    iotify_buffer_init(&text, 16 * SHOWN_MAX);
    solo_payload(payload, &text);
    solo_print(device->loop, "received", "from %s: %s", topic, iotify_buffer_text(&text));
    iotify_buffer_wipe(&text);
}

void solo_finished(struct device *device)
{
    solo_print(device->loop, "finish", "client %lld", (long long)device->client);
    solo_print_state(device);
}

void solo_closed(struct device *device, const char *text)
{
    solo_print(device->loop, "closed", "%s", text && *text ? text : "by the device");
}

void solo_console(struct simulate_loop *loop, enum iotify_level level, const char *text)
{
    static const char *const names[] = {
        "console.error", "console.warn", "console.log", "console.debug"};

    solo_print(loop, names[level <= IOTIFY_LOG_DEBUG ? level : IOTIFY_LOG_INFO], "%s", text);
}
