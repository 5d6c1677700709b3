/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOTIFY_PLUGIN_CHECKS=strict, for the loop of a transport's channel: watches, timers and lookups
 * that are used after they were freed or on a foreign thread, or left behind. Too expensive for
 * every run. On the loop's thread.
 */
#ifndef CORE_LOOP_LOOP_CHECKS_H
#define CORE_LOOP_LOOP_CHECKS_H

#include "core/loop/loop.h"

struct loop_checks;

/*
 * From now on the functions of the loop check how the plugin uses them. `fault` is called with each
 * violation, also on foreign threads. Never NULL.
 */
struct loop_checks *loop_checks_begin(struct loop *loop,
    void (*fault)(void *argument, const char *operation, const char *text), void *argument);
/* After the channel is freed: nothing may be left. Frees the checks. */
void loop_checks_end(struct loop_checks *checks);

#endif
