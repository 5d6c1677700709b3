/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orphans: certificates that AWS issued for this job, but that no record names, because the answer
 * was lost or the process crashed. They are always inactive. One belongs to this job for certain
 * when its public key is that of a record; all others are only reported, never changed.
 */
#ifndef PLUGINS_AWS_DEVICE_ORPHAN_H
#define PLUGINS_AWS_DEVICE_ORPHAN_H

#include "plugins/aws/device/record.h"
#include "plugins/aws/instance.h"

/*
 * Find the orphans with the record's key, in a listing that is cached in the instance. `id` not
 * NULL: return the first one there (in the call's arena; NULL: none) and delete the others. `id`
 * NULL: delete all. Blocks; any thread.
 */
enum iotify_result orphan_settle(struct aws_instance *instance, struct iotify_call *call,
    const struct record *record, const char **id);

/*
 * Record in the job's record that there may be orphans from now on; before AWS issues keys and
 * certificates. Main thread, in a call for the whole job.
 */
enum iotify_result orphan_open_window(struct aws_instance *instance, struct iotify_call *call);
/* Drop the cached listing, at the start of a step. Not thread-safe. */
void orphan_reset(struct aws_instance *instance);
/*
 * After all devices: delete surplus certificates of records with `doubt`, and report certificates
 * that may be orphans of this job. Main thread, in a call for the whole job.
 */
enum iotify_result orphan_conclude(struct aws_instance *instance, struct iotify_call *call);

#endif
