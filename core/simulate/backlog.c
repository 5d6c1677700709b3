/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/backlog.h"

#include "core/simulate/answers.h"
#include "core/simulate/device.h"
#include "core/simulate/session_calls.h"
#include "core/simulate/simulate_loop_internal.h"

/* The shortest and the longest time between two checks of all devices. */
#define PERIOD_MIN (20 * MILLISECOND)
#define PERIOD_MAX SECOND

static size_t backlog_unwritten(const struct device *device)
{
    return device->connected_at ? session_calls_unwritten(device) : 0;
}

/* Lose what is not acknowledged in time. What was sent again on this connection counts from then.
 */
static void backlog_check(struct device *device, int64_t now)
{
    int64_t before = now - device->loop->simulation->options->ack_timeout;
    const struct ledger_entry *entry;
    uint64_t token;

    while (device->connected_at && device->connected_at <= before &&
           (entry = ledger_overdue(
                &device->ledger, (uint32_t)((before - device->loop->began) / MILLISECOND), &token)))
        answers_time_out(device, entry, token);
}

/* So much later than verify_within a message is no longer expected to return. */
#define RETURN_MAX (60 * SECOND)

static void backlog_check_returns(struct device *device, int64_t now)
{
    int64_t before = now - device->loop->simulation->options->verify_within - RETURN_MAX;
    const struct ledger_entry *entry;
    uint64_t token;

    while (before > device->loop->began &&
           (entry = ledger_unreturned(
                &device->ledger, (uint32_t)((before - device->loop->began) / MILLISECOND), &token)))
        answers_do_not_return(device, entry, token);
}

static void backlog_look(struct simulate_loop *loop, int64_t now)
{
    loop->backlog.at = now;
    loop->backlog.unwritten = 0;
    for (size_t i = 0; i < loop->count; i++)
        loop->backlog.unwritten += backlog_unwritten(&loop->devices[i]);
}

static void backlog_on_timer(void *argument)
{
    struct simulate_loop *loop = argument;
    int64_t now = simulate_loop_now(loop), period = loop->simulation->options->ack_timeout / 4;

    if (period < PERIOD_MIN || period > PERIOD_MAX)
        period = period < PERIOD_MIN ? PERIOD_MIN : PERIOD_MAX;
    /* If this process was suspended, acknowledgements may have arrived that are not read yet. */
    for (size_t i = 0; i < loop->count && now - loop->backlog.checked < 3 * period; i++)
        if (loop->devices[i].ledger.open > 0 || loop->devices[i].ledger.unreceived > 0) {
            backlog_check(&loop->devices[i], now);
            backlog_check_returns(&loop->devices[i], now);
        }
    loop->backlog.checked = now;
    backlog_look(loop, now);
    loop->events.base.timer_start(loop->backlog.timer, period);
}

void backlog_begin(struct simulate_loop *loop)
{

    if (!loop->channel)
        return;
    loop->backlog.timer = loop_timer_new(&loop->events, backlog_on_timer, loop);
    backlog_on_timer(loop);
}

void backlog_end(struct simulate_loop *loop)
{
    if (loop->backlog.timer)
        loop->events.base.timer_free(loop->backlog.timer);
}

bool backlog_has_room(struct device *device, size_t size)
{
    struct simulate_loop *loop = device->loop;
    const struct simulate_options *options = loop->simulation->options;
    size_t own = backlog_unwritten(device);
    size_t most = (size_t)(options->max_unwritten_total / loop->shares);
    int64_t now;

    if (own > 0 && own + size > (size_t)options->max_unwritten)
        return false;
    if (loop->backlog.unwritten <= most)
        return true;
    /* What was written since is not subtracted yet. */
    now = simulate_loop_now(loop);
    if (now - loop->backlog.at > PERIOD_MIN)
        backlog_look(loop, now);
    return loop->backlog.unwritten <= most;
}

void backlog_add(struct device *device, size_t size)
{
    if (backlog_unwritten(device) > 0)
        device->loop->backlog.unwritten += size;
}
