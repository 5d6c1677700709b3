/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened in each iteration, as lines of JSON in a file. Event loops hand lines over and
 * never wait for the disk: another thread writes them. What it cannot keep up with is dropped and
 * counted.
 */
#ifndef CORE_SIMULATE_CAPTURE_H
#define CORE_SIMULATE_CAPTURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/simulate/settings.h"

struct capture;

/* NULL when the file cannot be written (errno). The file is made anew, for the user alone. */
struct capture *capture_open(const struct simulate_options *options);
/* Is this iteration one of the sample? The same ones in every run. Any thread. */
bool capture_wants(const struct capture *capture, int64_t client, int64_t iteration);
/* Take one object over. Any thread. */
void capture_add(struct capture *capture, json_t *object);
/* Write what has been handed over. One thread. */
void capture_write(struct capture *capture);
/* Write the rest. False when something did not get to the file: `dropped` lines, or all of it. */
bool capture_close(struct capture *capture, int64_t *dropped);

/* Bytes as text where they are UTF-8, else {"base64": …}. */
json_t *capture_bytes(const void *data, size_t size);

#endif
