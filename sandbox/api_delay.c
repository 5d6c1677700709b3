/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are answered late, or not at all: latency and the other faults. */
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "sandbox/api_internal.h"
#include "sandbox/request.h"
#include "sandbox/response.h"

static int64_t api_delay_monotonic(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The thread that resumes requests when their latency has passed. */
static void *api_delay_wake(void *argument)
{
    struct api *api = argument;

    pthread_mutex_lock(&api->mutex);
    while (!api->closing) {
        struct api_delayed *first = api->delayed;
        struct timespec until;

        if (!first) {
            pthread_cond_wait(&api->changed, &api->mutex);
        } else if (first->due > api_delay_monotonic()) {
            until = (struct timespec){first->due / 1000000000, first->due % 1000000000};
            pthread_cond_timedwait(&api->changed, &api->mutex, &until);
        } else {
            api->delayed = first->next;
            MHD_resume_connection(first->connection);
            free(first);
        }
    }
    /* libmicrohttpd cannot stop while requests are suspended. */
    while (api->delayed) {
        struct api_delayed *first = api->delayed;

        api->delayed = first->next;
        MHD_resume_connection(first->connection);
        free(first);
    }
    pthread_mutex_unlock(&api->mutex);
    return NULL;
}

bool api_delay(struct api *api, struct MHD_Connection *connection, int64_t latency)
{
    struct api_delayed *delayed = calloc(1, sizeof(*delayed)), **link = &api->delayed;

    pthread_mutex_lock(&api->mutex);
    if (!delayed || api->closing) {
        pthread_mutex_unlock(&api->mutex);
        free(delayed);
        return false;
    }
    *delayed = (struct api_delayed){connection, api_delay_monotonic() + latency, NULL};
    MHD_suspend_connection(connection);
    while (*link && (*link)->due <= delayed->due)
        link = &(*link)->next;
    delayed->next = *link;
    *link = delayed;
    pthread_cond_signal(&api->changed);
    pthread_mutex_unlock(&api->mutex);
    return true;
}

enum MHD_Result api_hang_up(struct MHD_Connection *connection, bool reset)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (reset && info)
        setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    return MHD_NO;
}

bool api_meet_fault(struct api_call *call, const char **how)
{
    const struct fault_outcome *fault = &call->arrived->fault;

    if (fault->hits[FAULT_RESET]) {
        *how = "reset";
        return true;
    }
    if (fault->hits[FAULT_DROP_REQUEST]) {
        *how = "drop_request";
        return true;
    }
    if (fault->hits[FAULT_THROTTLE] ||
        !quotas_take(call->api->options->quotas, call->operation->name))
        response_error(&call->response, 400,
            api_is_sts(call) ? "Throttling" : "ThrottlingException", "Rate exceeded");
    else if (fault->hits[FAULT_ERROR] && fault->roll % 2)
        response_error(&call->response, 503, "ServiceUnavailableException",
            "The service is temporarily unavailable.");
    else if (fault->hits[FAULT_ERROR])
        response_error(
            &call->response, 500, "InternalFailureException", "An unexpected error has occurred.");
    else if (fault->hits[FAULT_ABSENT])
        response_error(&call->response, 404, "ResourceNotFoundException",
            "The resource is not visible yet (a fault of the sandbox)");
    return call->response.error != NULL;
}

bool api_start_waker(struct api *api)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&api->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&api->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    api->waking = pthread_create(&api->waker, NULL, api_delay_wake, api) == 0;
    return api->waking;
}
