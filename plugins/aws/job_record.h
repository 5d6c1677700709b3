/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connector's record of the job as a whole: which shared things this job made, and since when
 * certificates may have been made that no device's record tells of. For calls of the whole job.
 */
#ifndef PLUGINS_AWS_JOB_RECORD_H
#define PLUGINS_AWS_JOB_RECORD_H

#include <iotify/host.h>

/* What several devices share. */
enum job_record_kind { SHARED_TYPE, SHARED_GROUP, SHARED_POLICY };

/* Did this job make the thing type, group or policy of this name? */
enum iotify_result job_record_made(
    struct iotify_call *call, enum job_record_kind kind, const char *name, bool *made);
/* Note it, before it is made, or forget it once it is gone. */
enum iotify_result job_record_mark(
    struct iotify_call *call, enum job_record_kind kind, const char *name, bool made);

/*
 * The window in which AWS may have made certificates for this job whose answers were lost: since
 * when, and when the last run began whose requests may be under way still. Seconds since 1970;
 * `since` 0: there is none.
 */
struct job_record_window {
    int64_t since, last;
};
enum iotify_result job_record_window(struct iotify_call *call, struct job_record_window *window);
enum iotify_result job_record_set_window(struct iotify_call *call, struct job_record_window window);

#endif
