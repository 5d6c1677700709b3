/* SPDX-License-Identifier: Apache-2.0 */
/* What the account has, page after page: certificates, the things of a job, those of a group. */
#ifndef PLUGINS_AWS_DEVICE_LISTING_H
#define PLUGINS_AWS_DEVICE_LISTING_H

#include "plugins/aws/instance.h"

/* Clocks differ: how much earlier than the moment asked for a listing begins, in seconds. */
#define LISTING_MARGIN 600

struct listing_certificate {
    const char *id, *arn, *status;
};

/*
 * Call `found` for each certificate that was made since (seconds since 1970, less a margin), the
 */
enum iotify_result listing_certificates(struct aws_instance *instance, struct iotify_call *call,
    int64_t since, void (*found)(void *argument, const struct listing_certificate *certificate),
    void *argument);

/* Each thing that bears the job's name (NULL: each thing), with its attributes. */
enum iotify_result listing_things(struct aws_instance *instance, struct iotify_call *call,
    const char *job, void (*found)(void *argument, const char *name, const json_t *attributes),
    void *argument);

/* Each thing in the group; IOTIFY_NOT_FOUND when there is no such group. */
enum iotify_result listing_group(struct aws_instance *instance, struct iotify_call *call,
    const char *group, void (*found)(void *argument, const char *name), void *argument);

#endif
