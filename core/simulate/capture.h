/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capture file: what happened in each iteration, as one JSON object per line. Loops queue lines
 * and never wait for the disk: the main thread writes them. Lines that do not fit into the queue
 * are dropped and counted.
 */
#ifndef CORE_SIMULATE_CAPTURE_H
#define CORE_SIMULATE_CAPTURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/simulate/settings.h"

struct capture;

/*
 * Open the capture file, truncated; a new file is readable by the user only. NULL and errno on
 * failure. The caller ends it with capture_close().
 */
struct capture *capture_open(const struct simulate_options *options);
/*
 * Is this iteration in the sample? The same ones in every run. `capture` may be NULL. Any thread.
 */
bool capture_wants(const struct capture *capture, int64_t client, int64_t iteration);
/* Queue one object, and take over its reference. Any thread. */
void capture_add(struct capture *capture, json_t *object);
/* Write the queued lines. `capture` may be NULL. Main thread. */
void capture_write(struct capture *capture);
/*
 * Write the rest, close the file and free `capture`. False when lines were dropped (`*dropped`) or
 * a write failed.
 */
bool capture_close(struct capture *capture, int64_t *dropped);

/* A JSON string if the bytes are UTF-8, else {"base64": …}. The caller owns the reference. */
json_t *capture_bytes(const void *data, size_t size);

#endif
