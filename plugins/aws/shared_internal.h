/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that shared_resources.c and shared_policy.c share. All block; any thread. */
#ifndef PLUGINS_AWS_SHARED_INTERNAL_H
#define PLUGINS_AWS_SHARED_INTERNAL_H

#include <jansson.h>

#include "plugins/aws/instance.h"
#include "plugins/aws/job_record.h"

/* A resource to create. */
struct shared_creation {
    enum job_record_kind kind;
    enum aws_operation operation;
    const char *name, *arn; /* `arn`: the member of the answer with the ARN */
    json_t *body;           /* freed by shared_create() */
};

/*
 * Describe a resource. The caller frees `answer`, which may be NULL. `arn` is the member of the
 * answer with the ARN. IOTIFY_RESULT_NOT_FOUND when the resource does not exist.
 */
enum iotify_result shared_describe(struct aws_instance *instance, struct iotify_call *call,
    enum aws_operation operation, const char *name, const char *arn, json_t **answer);
/*
 * Create a resource that does not exist. Marks it as created by this job first, so that the mark
 * survives a crash. IOTIFY_RESULT_UNCHANGED when the resource exists by now; unless an answer was
 * lost, another process created it, and the mark is removed.
 */
enum iotify_result shared_create(struct aws_instance *instance, struct iotify_call *call,
    const struct shared_creation *creation);
/*
 * Report in a plan whether the resource will be created, kept, or is unusable. `operation`
 * describes it, `making` creates it. `unfit` (or NULL) returns why an existing resource cannot be
 * used, or NULL.
 */
enum iotify_result shared_plan(struct aws_instance *instance, struct iotify_call *call,
    enum aws_operation operation, enum aws_operation making, const char *kind, const char *name,
    const char *arn, const char *(*unfit)(const json_t *answer));

#endif
