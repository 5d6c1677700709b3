/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/capture.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <iotify/buffer.h>

#include "core/base/arena.h"
#include "core/base/random.h"

/* Bytes of lines that wait for the disk. */
#define WAITING_MAX (64u << 20)

struct capture {
    double sample;
    uint64_t seed;
    FILE *file;
    pthread_mutex_t lock;
    struct iotify_buffer waiting; /* under the lock */
    struct iotify_buffer writing; /* of the writing thread */
    int64_t dropped;              /* under the lock */
    bool broken;                  /* a write has failed */
};

struct capture *capture_open(const struct simulate_options *options)
{
    int descriptor =
        open(options->capture_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    struct capture *capture;

    if (!file) {
        if (descriptor >= 0)
            close(descriptor);
        return NULL;
    }
    capture = memory_new(1, sizeof(*capture));
    capture->file = file;
    capture->sample = options->capture_sample;
    capture->seed = (uint64_t)options->seed;
    pthread_mutex_init(&capture->lock, NULL);
    iotify_buffer_init(&capture->waiting, WAITING_MAX);
    iotify_buffer_init(&capture->writing, WAITING_MAX);
    return capture;
}

bool capture_wants(const struct capture *capture, int64_t client, int64_t iteration)
{
    if (!capture)
        return false;
    if (capture->sample >= 1)
        return true;
    return random_share(random_of(
               random_of(capture->seed, (uint64_t)client), (uint64_t)iteration)) < capture->sample;
}

void capture_add(struct capture *capture, json_t *object)
{
    char *line = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);

    json_decref(object);
    pthread_mutex_lock(&capture->lock);
    if (line && capture->waiting.size + strlen(line) + 2 < WAITING_MAX) {
        iotify_buffer_string(&capture->waiting, line);
        iotify_buffer_char(&capture->waiting, '\n');
    } else {
        capture->dropped++;
    }
    pthread_mutex_unlock(&capture->lock);
    free(line);
}

void capture_write(struct capture *capture)
{
    struct iotify_buffer full;

    if (!capture)
        return;
    pthread_mutex_lock(&capture->lock);
    full = capture->waiting;
    capture->waiting = capture->writing;
    capture->writing = full;
    pthread_mutex_unlock(&capture->lock);
    if (full.size && fwrite(full.data, 1, full.size, capture->file) != full.size)
        capture->broken = true;
    iotify_buffer_reset(&capture->writing);
}

bool capture_close(struct capture *capture, int64_t *dropped)
{
    bool good;

    capture_write(capture);
    *dropped = capture->dropped;
    good = fclose(capture->file) == 0 && !capture->broken && *dropped == 0;
    iotify_buffer_clear(&capture->waiting);
    iotify_buffer_clear(&capture->writing);
    pthread_mutex_destroy(&capture->lock);
    free(capture);
    return good;
}

json_t *capture_bytes(const void *data, size_t size)
{
    json_t *value = json_stringn(data, size);
    unsigned char *text;

    if (value || size > INT32_MAX / 2)
        return value ? value : json_null();
    text = memory_new(size / 3 * 4 + 5, 1);
    EVP_EncodeBlock(text, data, (int)size);
    value = json_pack("{s:s}", "base64", (const char *)text);
    free(text);
    return value;
}
