/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of shared resources have in common: shared_resources.c and shared_policy.c. */
#ifndef PLUGINS_AWS_SHARED_INTERNAL_H
#define PLUGINS_AWS_SHARED_INTERNAL_H

#include <jansson.h>

#include "plugins/aws/instance.h"
#include "plugins/aws/job_record.h"

/* What is created, and how. */
struct shared_creation {
    enum job_record_kind kind;
    enum aws_operation operation;
    const char *name, *arn; /* `arn` names the member of the answer */
    json_t *body;           /* taken over */
};

/* Look a resource up by name; IOTIFY_NOT_FOUND is no failure here. */
enum iotify_result shared_describe(struct aws_instance *instance, struct iotify_call *call,
    enum aws_operation operation, const char *name, const char *arn, json_t **answer);
/*
 * Create what is known to be absent. That this job makes it is noted first, so that after a crash
 * it is known whose it is. IOTIFY_EXISTS without a lost answer: another caller was faster.
 */
enum iotify_result shared_create(struct aws_instance *instance, struct iotify_call *call,
    const struct shared_creation *creation);
/*
 * For plans: does it exist? `operation` describes, `making` creates. `unfit` says why an existing
 * one cannot be used; NULL: it can.
 */
enum iotify_result shared_plan(struct aws_instance *instance, struct iotify_call *call,
    enum aws_operation operation, enum aws_operation making, const char *kind, const char *name,
    const char *arn, const char *(*unfit)(const json_t *answer));

#endif
