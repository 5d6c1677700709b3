/* SPDX-License-Identifier: Apache-2.0 */
#include "core/output/exporter.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/output/http.h"

#define TEXT_MAX (4u << 20)

struct exporter {
    struct http_server *server;
    pthread_mutex_t lock;
    struct iotify_buffer text; /* under the lock */
};

static enum MHD_Result exporter_on_get(
    void *argument, struct MHD_Connection *connection, const char *path)
{
    static const char hint[] = "see /metrics\n";
    struct exporter *exporter = argument;
    enum MHD_Result result;

    if (strcmp(path, "/metrics") != 0)
        return http_answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", hint, sizeof(hint) - 1);
    pthread_mutex_lock(&exporter->lock);
    result = http_answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
        iotify_buffer_text(&exporter->text), exporter->text.size);
    pthread_mutex_unlock(&exporter->lock);
    return result;
}

struct exporter *exporter_open(const char *address, const char **error)
{
    struct exporter *exporter = memory_new(1, sizeof(*exporter));

    pthread_mutex_init(&exporter->lock, NULL);
    iotify_buffer_init(&exporter->text, TEXT_MAX);
    exporter->server =
        http_listen(address, "metrics", "/metrics", exporter_on_get, exporter, error);
    if (exporter->server)
        return exporter;
    exporter_close(exporter);
    return NULL;
}

void exporter_set(struct exporter *exporter, const struct iotify_buffer *text)
{
    pthread_mutex_lock(&exporter->lock);
    iotify_buffer_reset(&exporter->text);
    iotify_buffer_append(&exporter->text, text->data ? text->data : "", text->size);
    pthread_mutex_unlock(&exporter->lock);
}

void exporter_close(struct exporter *exporter)
{
    if (!exporter)
        return;
    http_close(exporter->server);
    iotify_buffer_clear(&exporter->text);
    pthread_mutex_destroy(&exporter->lock);
    free(exporter);
}
