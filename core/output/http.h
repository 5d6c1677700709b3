/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small HTTP servers of a run: what the port for Prometheus and the live page share. Each server
 * has a thread of its own, on which its handler runs.
 */
#ifndef CORE_OUTPUT_HTTP_H
#define CORE_OUTPUT_HTTP_H

#include <microhttpd.h>
#include <stddef.h>

#define HTTP_CONNECTIONS_MAX 16

/* Answer a GET request for `path`; MHD_NO closes the connection. */
typedef enum MHD_Result (*http_handler)(
    void *argument, struct MHD_Connection *connection, const char *path);

struct http_server {
    struct MHD_Daemon *daemon;
    http_handler handler;
    void *argument;
};

/*
 * Listen on `address`: "9100", for this machine alone, or "0.0.0.0:9100". Port 0 lets the system
 * choose. `what` is for the log, which gets the address, and `path` with it. NULL on failure:
 * `*error` is one line, not to be freed, and errno is 0 if the address is not valid.
 */
struct http_server *http_listen(const char *address, const char *what, const char *path,
    http_handler handler, void *argument, const char **error);
/* Queue an answer with a copy of the text. */
enum MHD_Result http_answer(struct MHD_Connection *connection, unsigned status, const char *type,
    const char *text, size_t size);
/* Queue a response, and release it. */
enum MHD_Result http_respond(
    struct MHD_Connection *connection, unsigned status, struct MHD_Response *response);
/* Close all connections and the port, and free it. NULL is allowed. */
void http_close(struct http_server *server);

#endif
