/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The likely cause when a server refuses or hangs up without a reason, from what the job knows:
 * what its connector gave the devices the right to do, and other clients with the same client id.
 */
#ifndef CORE_SIMULATE_CAUSE_H
#define CORE_SIMULATE_CAUSE_H

#include "core/simulate/device.h"
#include "core/simulate/simulation.h"

/* The device published to this topic instead of the template's. On the thread of its loop. */
void cause_note_topic(struct device *device, const char *topic);
/*
 * `text`, the transport's, with the cause where one is known; in `arena`. On the thread of the
 * device's loop.
 */
const char *cause_of_close(
    struct device *device, enum iotify_close reason, const char *text, struct arena *arena);
/*
 * Warn when the first client of a step may not connect, publish or subscribe as its template says,
 * as far as that is known without the script engine. Main thread.
 */
void cause_check(const struct step *step, const struct template_file *template, int64_t client);
/* May clients that the expression of the client id does not tell apart have the same id? */
bool cause_ids_may_clash(const struct template_file *template);

#endif
