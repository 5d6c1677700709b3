/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings of the account: certificates, things, the things of a group, the targets of a policy.
 * They request page after page and call `found` on this thread; its texts are valid during the
 * callback. All block.
 */
#ifndef PLUGINS_AWS_DEVICE_LISTING_H
#define PLUGINS_AWS_DEVICE_LISTING_H

#include "plugins/aws/instance.h"

/* Seconds by which a listing of certificates begins before `since`, as clocks differ. */
#define LISTING_MARGIN 600

struct listing_certificate {
    const char *id, *arn, *status;
};

/*
 * Call `found` for each certificate of the account that was created at `since` (seconds since 1970)
 * minus LISTING_MARGIN or later, the newest first.
 */
enum iotify_result listing_certificates(struct aws_instance *instance, struct iotify_call *call,
    int64_t since, void (*found)(void *argument, const struct listing_certificate *certificate),
    void *argument);

/* Call `found` for each thing whose attribute THING_JOB is `job` (NULL: for each thing). */
enum iotify_result listing_things(struct aws_instance *instance, struct iotify_call *call,
    const char *job, void (*found)(void *argument, const char *name, const json_t *attributes),
    void *argument);

/* Call `found` for each thing in the group; IOTIFY_RESULT_NOT_FOUND when the group does not exist.
 */
enum iotify_result listing_group(struct aws_instance *instance, struct iotify_call *call,
    const char *group, void (*found)(void *argument, const char *name), void *argument);

/* Call `found` for the ARN of each target of the policy; IOTIFY_RESULT_NOT_FOUND as above. */
enum iotify_result listing_targets(struct aws_instance *instance, struct iotify_call *call,
    const char *policy, void (*found)(void *argument, const char *arn), void *argument);

#endif
