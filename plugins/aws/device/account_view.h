/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the account has, as paged listings say: read once per run, then only looked up. Loading is
 * for the main thread; reading afterwards for any.
 */
#ifndef PLUGINS_AWS_DEVICE_ACCOUNT_VIEW_H
#define PLUGINS_AWS_DEVICE_ACCOUNT_VIEW_H

#include <jansson.h>

#include "plugins/aws/device/record.h"
#include "plugins/aws/instance.h"

/* The listings; each is NULL until it is loaded. */
struct account_view {
    json_t *things;       /* name to attributes */
    json_t *own_things;   /* the same, of those with this job's name */
    json_t *certificates; /* identifier to status, of those since the oldest record */
    json_t *members;      /* names of the things in the group */
    json_t *targets;      /* ARNs that have the policy */
};

enum account_view_part {
    VIEW_THINGS = 1,
    VIEW_OWN_THINGS = 2,
    VIEW_CERTIFICATES = 4,
    VIEW_MEMBERS = 8,
    VIEW_TARGETS = 16
};

/*
 * Load the parts (a set of enum account_view_part) that `instance->view` does not have yet. `names`
 * has the group and the policy, either may be NULL: an empty listing. A group or policy that does
 * not exist has an empty listing, too. Blocks. Errors are those of AWS.
 */
enum iotify_result account_view_load(struct aws_instance *instance, struct iotify_call *call,
    unsigned parts, const struct record *names);
void account_view_free(struct account_view *view);

#endif
