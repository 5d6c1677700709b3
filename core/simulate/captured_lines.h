/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes iterations and responses to the capture file, with their lines of console output, which
 * are kept until then. On the thread of the loop.
 */
#ifndef CORE_SIMULATE_CAPTURED_LINES_H
#define CORE_SIMULATE_CAPTURED_LINES_H

#include "core/simulate/device.h"

/* A line of console output, until its iteration is captured. */
struct captured_line {
    int64_t client, iteration;
    enum iotify_level level;
    const char *text;
    struct captured_line *next;
};

/*
 * Console callback of scripts: logs the line unless there are too many, and keeps it for the
 * capture file. `loop` is the struct simulate_loop.
 */
void captured_lines_on_console(
    void *loop, enum iotify_level level, const struct script_turn *turn, const char *text);
/* Free the kept lines, after their iterations are captured. */
void captured_lines_forget(struct simulate_loop *loop);

/*
 * Begin the line of an iteration, if the sample has it; else NULL. captured_lines_end() adds
 * whether the iteration was good, and captures the line. `now` is by the loop's clock.
 */
void *captured_lines_message(
    struct device *device, const struct script_output *output, int64_t now);
void captured_lines_end(const struct device *device, void *line, bool ok);
/* Capture a response, if the sample has its iteration. */
void captured_lines_response(
    const struct device *device, const char *topic, struct iotify_bytes payload);

#endif
