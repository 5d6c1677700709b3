/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connector's record of the whole job: which shared resources this job created, and since when
 * AWS may have created certificates that no device's record names (orphans). Only for calls for the
 * whole job (`call->client` is -1), on one thread at a time. All functions block for the store and
 * return its errors, or IOTIFY_RESULT_FAILED for a record of another version.
 */
#ifndef PLUGINS_AWS_JOB_RECORD_H
#define PLUGINS_AWS_JOB_RECORD_H

#include <iotify/host.h>

/* The kinds of shared resources. */
enum job_record_kind { SHARED_TYPE, SHARED_GROUP, SHARED_POLICY };

/* Set `made` to whether this job created the thing type, group or policy of this name. */
enum iotify_result job_record_made(
    struct iotify_call *call, enum job_record_kind kind, const char *name, bool *made);
/* Record that the job creates the resource (before it does), or that it no longer exists. */
enum iotify_result job_record_mark(
    struct iotify_call *call, enum job_record_kind kind, const char *name, bool made);

/*
 * The window in which AWS may have created certificates for this job whose answers were lost: its
 * start, and the start of the last run whose requests may still be in progress. Seconds since 1970;
 * `since` 0: there is no window.
 */
struct job_record_window {
    int64_t since, last;
};
enum iotify_result job_record_window(struct iotify_call *call, struct job_record_window *window);
enum iotify_result job_record_set_window(struct iotify_call *call, struct job_record_window window);

#endif
