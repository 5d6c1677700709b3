/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates that AWS made and whose answer never arrived: a lost reply, a crash. Only inactive
 * ones can be among them. One is this job's own where its public key is that of a record; all
 * others are reported at the most, never touched.
 */
#ifndef PLUGINS_AWS_DEVICE_ORPHAN_H
#define PLUGINS_AWS_DEVICE_ORPHAN_H

#include "plugins/aws/device/record.h"
#include "plugins/aws/instance.h"

/*
 * The certificates that were made of the record's key and that no record names, from a listing that
 * is made once. The first is told through `id` (in the call's arena; NULL: none) when it is not
 * NULL; all others, or all, are deleted.
 */
enum iotify_result orphan_settle(struct aws_instance *instance, struct iotify_call *call,
    const struct record *record, const char **id);

/* Before devices are made by AWS itself: from now on there may be strays. Call of the job. */
enum iotify_result orphan_open_window(struct aws_instance *instance, struct iotify_call *call);
/* Forget the listing: what a new step needs it lists anew. */
void orphan_reset(struct aws_instance *instance);
/*
 * Behind all devices: delete what doubtful records turn out to have made twice, and report what may
 * be a stray of this job and cannot be proven to be. Call of the job.
 */
enum iotify_result orphan_conclude(struct aws_instance *instance, struct iotify_call *call);

#endif
