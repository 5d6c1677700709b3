/* SPDX-License-Identifier: Apache-2.0 */
#include "core/output/dashboard.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/output/html_report.h"
#include "core/output/http.h"

/* Rows that a browser gets when it connects: an hour and more; then the older half is forgotten. */
#define ROWS_MAX ((size_t)2 << 20)
#define STATE_MAX ((size_t)64 << 20)
#define CHUNK ((size_t)64 << 10)
#define GOODBYE SECOND
#define DIGITS_MAX 15 /* of a port */

/* A browser that follows. Its thread is that of the server; the members are under the lock. */
struct dashboard_client {
    struct dashboard *dashboard;
    struct MHD_Connection *connection;
    struct iotify_buffer text; /* events that are being sent */
    size_t sent;               /* bytes of them */
    size_t rows;               /* rows that it has, as a position in all of them */
    uint64_t state;            /* number of the state that it has */
    bool begun, headed, suspended;
    struct dashboard_client *next;
};

struct dashboard {
    struct http_server *server;
    struct iotify_buffer page; /* constant */
    pthread_mutex_t lock;
    struct iotify_buffer header, rows; /* of the series, whole lines */
    size_t forgotten;                  /* bytes before `rows` */
    struct iotify_buffer state;
    uint64_t state_number;
    bool over;
    struct dashboard_client *clients;
};

/* ------------------------------------------------------------------ events */

/* An event whose data is one line of JSON. */
static void dashboard_event(struct iotify_buffer *out, const char *name, const char *data)
{
    iotify_buffer_format(out, "event: %s\ndata: ", name);
    iotify_buffer_string(out, data);
    iotify_buffer_string(out, "\n\n");
}

static void dashboard_rows_event(struct iotify_buffer *out, const char *rows, size_t size)
{
    json_t *text = json_stringn(rows, size);
    char *line = text ? json_dumps(text, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    if (line)
        dashboard_event(out, "rows", line);
    free(line);
    json_decref(text);
}

/* Put what the client does not have yet into its text; what there is first, first. */
static void dashboard_fill(struct dashboard *dashboard, struct dashboard_client *client)
{
    iotify_buffer_reset(&client->text);
    client->sent = 0;
    if (!client->begun || client->rows < dashboard->forgotten) {
        client->begun = true;
        client->rows = dashboard->forgotten;
        client->headed = false;
        dashboard_event(&client->text, "begin", "{}");
    }
    if (!client->headed && dashboard->header.size) {
        client->headed = true;
        dashboard_rows_event(&client->text, dashboard->header.data, dashboard->header.size);
    }
    if (client->rows < dashboard->forgotten + dashboard->rows.size) {
        dashboard_rows_event(&client->text,
            dashboard->rows.data + client->rows - dashboard->forgotten,
            dashboard->forgotten + dashboard->rows.size - client->rows);
        client->rows = dashboard->forgotten + dashboard->rows.size;
    }
    if (client->state < dashboard->state_number) {
        dashboard_event(&client->text, "state", iotify_buffer_text(&dashboard->state));
        client->state = dashboard->state_number;
    }
}

static ssize_t dashboard_on_read(void *argument, uint64_t position, char *out, size_t size)
{
    struct dashboard_client *client = argument;
    struct dashboard *dashboard = client->dashboard;
    ssize_t result = 0;

    (void)position;
    pthread_mutex_lock(&dashboard->lock);
    if (client->sent == client->text.size)
        dashboard_fill(dashboard, client);
    if (client->text.failed) {
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (client->sent < client->text.size) {
        size_t left = client->text.size - client->sent;

        result = (ssize_t)(left < size ? left : size);
        memcpy(out, client->text.data + client->sent, (size_t)result);
        client->sent += (size_t)result;
    } else if (dashboard->over) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        client->suspended = true;
        MHD_suspend_connection(client->connection);
    }
    pthread_mutex_unlock(&dashboard->lock);
    return result;
}

static void dashboard_on_end(void *argument)
{
    struct dashboard_client *client = argument;
    struct dashboard *dashboard = client->dashboard;
    struct dashboard_client **link = &dashboard->clients;

    pthread_mutex_lock(&dashboard->lock);
    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    pthread_mutex_unlock(&dashboard->lock);
    iotify_buffer_clear(&client->text);
    free(client);
}

/* There is something to send. The server's own locks are not taken while the lock is held. */
static void dashboard_wake(struct dashboard *dashboard)
{
    struct MHD_Connection *connections[HTTP_CONNECTIONS_MAX];
    size_t count = 0;

    pthread_mutex_lock(&dashboard->lock);
    for (struct dashboard_client *client = dashboard->clients; client; client = client->next) {
        /* A connection is not freed before it is resumed. */
        if (client->suspended && count < HTTP_CONNECTIONS_MAX)
            connections[count++] = client->connection;
        client->suspended = false;
    }
    pthread_mutex_unlock(&dashboard->lock);
    for (size_t i = 0; i < count; i++)
        MHD_resume_connection(connections[i]);
}

/* ------------------------------------------------------------------ requests */

static enum MHD_Result dashboard_follow(
    struct dashboard *dashboard, struct MHD_Connection *connection)
{
    struct dashboard_client *client = memory_new(1, sizeof(*client));
    struct MHD_Response *response;

    client->dashboard = dashboard;
    client->connection = connection;
    iotify_buffer_init(&client->text, STATE_MAX);
    pthread_mutex_lock(&dashboard->lock);
    client->next = dashboard->clients;
    dashboard->clients = client;
    pthread_mutex_unlock(&dashboard->lock);
    response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, CHUNK, dashboard_on_read, client, dashboard_on_end);
    if (!response) {
        dashboard_on_end(client);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return http_respond(connection, MHD_HTTP_OK, response);
}

/* A page of another site, whose name leads to this machine, is not to read this one. */
static bool dashboard_is_asked_for(struct MHD_Connection *connection)
{
    static const char *const names[] = {"127.0.0.1", "localhost"};
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");

    for (size_t i = 0; host && i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);

        if (strncmp(host, names[i], length) == 0 && (host[length] == ':' || host[length] == '\0'))
            return true;
    }
    return false;
}

static enum MHD_Result dashboard_on_get(
    void *argument, struct MHD_Connection *connection, const char *path)
{
    static const char hint[] = "see /\n", wrong_host[] = "ask for 127.0.0.1 or localhost\n";
    struct dashboard *dashboard = argument;

    if (!dashboard_is_asked_for(connection))
        return http_answer(
            connection, MHD_HTTP_FORBIDDEN, "text/plain", wrong_host, sizeof(wrong_host) - 1);
    if (strcmp(path, "/events") == 0)
        return dashboard_follow(dashboard, connection);
    if (strcmp(path, "/") == 0)
        return http_answer(connection, MHD_HTTP_OK, "text/html; charset=utf-8",
            dashboard->page.data, dashboard->page.size);
    return http_answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", hint, sizeof(hint) - 1);
}

/* ------------------------------------------------------------------ main thread */

static void dashboard_free(struct dashboard *dashboard)
{
    iotify_buffer_clear(&dashboard->page);
    iotify_buffer_clear(&dashboard->header);
    iotify_buffer_clear(&dashboard->rows);
    iotify_buffer_clear(&dashboard->state);
    pthread_mutex_destroy(&dashboard->lock);
    free(dashboard);
}

struct dashboard *dashboard_open(const char *port, const char **error)
{
    struct dashboard *dashboard;

    errno = 0;
    *error = "takes a port";
    if (strspn(port, "0123456789") != strlen(port) || strlen(port) > DIGITS_MAX)
        return NULL;
    dashboard = memory_new(1, sizeof(*dashboard));
    pthread_mutex_init(&dashboard->lock, NULL);
    iotify_buffer_init(&dashboard->page, 1 << 20);
    iotify_buffer_init(&dashboard->header, CHUNK);
    iotify_buffer_init(&dashboard->rows, 2 * ROWS_MAX);
    iotify_buffer_init(&dashboard->state, STATE_MAX);
    html_report_live(&dashboard->page);
    dashboard->server = http_listen(port, "live page", "/", dashboard_on_get, dashboard, error);
    if (dashboard->server)
        return dashboard;
    dashboard_free(dashboard);
    return NULL;
}

bool dashboard_is_watched(struct dashboard *dashboard)
{
    bool watched;

    pthread_mutex_lock(&dashboard->lock);
    watched = dashboard->clients != NULL;
    pthread_mutex_unlock(&dashboard->lock);
    return watched;
}

/* Forget the older half, up to the end of a line. */
static void dashboard_forget(struct dashboard *dashboard)
{
    const char *half = dashboard->rows.data + dashboard->rows.size / 2;
    const char *line = memchr(half, '\n', dashboard->rows.size / 2);
    size_t size = line ? (size_t)(line + 1 - dashboard->rows.data) : dashboard->rows.size;

    memmove(dashboard->rows.data, dashboard->rows.data + size, dashboard->rows.size - size);
    dashboard->rows.size -= size;
    dashboard->forgotten += size;
}

void dashboard_add_rows(struct dashboard *dashboard, const char *rows, size_t size)
{
    pthread_mutex_lock(&dashboard->lock);
    if (dashboard->header.size == 0) {
        size_t length = strcspn(rows, "\n") + 1;

        iotify_buffer_append(&dashboard->header, rows, length < size ? length : size);
        rows += length < size ? length : size;
        size -= length < size ? length : size;
    }
    iotify_buffer_append(&dashboard->rows, rows, size);
    if (dashboard->rows.size > ROWS_MAX)
        dashboard_forget(dashboard);
    pthread_mutex_unlock(&dashboard->lock);
    dashboard_wake(dashboard);
}

void dashboard_set_state(struct dashboard *dashboard, const char *json)
{
    pthread_mutex_lock(&dashboard->lock);
    iotify_buffer_reset(&dashboard->state);
    iotify_buffer_string(&dashboard->state, json);
    dashboard->state_number++;
    pthread_mutex_unlock(&dashboard->lock);
    dashboard_wake(dashboard);
}

void dashboard_close(struct dashboard *dashboard)
{
    const struct timespec pause = {.tv_nsec = 10 * MILLISECOND};
    int64_t until = clock_now() + GOODBYE;

    if (!dashboard)
        return;
    pthread_mutex_lock(&dashboard->lock);
    dashboard->over = true;
    pthread_mutex_unlock(&dashboard->lock);
    dashboard_wake(dashboard);
    while (dashboard_is_watched(dashboard) && clock_now() < until)
        nanosleep(&pause, NULL);
    http_close(dashboard->server);
    dashboard_free(dashboard);
}
