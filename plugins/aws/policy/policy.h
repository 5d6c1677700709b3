/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies of AWS IoT: a document parsed once, then asked about each action. Pure functions; a
 * policy may be asked by several threads at once.
 */
#ifndef PLUGINS_AWS_POLICY_POLICY_H
#define PLUGINS_AWS_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>

struct policy;

/* AWS counts a document without the white space between its tokens. */
#define POLICY_BYTES_MAX 2048

/* NULL when it is no policy: `why` says what is wrong with it. Free with policy_free(). */
struct policy *policy_parse(const char *document, char *why, size_t size);
void policy_free(struct policy *policy);

/* What ${variables} and conditions can ask about. */
struct policy_context {
    /* The value of "iot:ClientId" and the like; NULL when there is none. */
    const char *(*variable)(void *argument, const char *name);
    void *argument;
};

/* In the order of their weight: an explicit Deny wins over every Allow. */
enum policy_verdict { POLICY_SILENT, POLICY_ALLOWS, POLICY_DENIES };

/*
 * What the document says about `action` ("iot:Publish") on `resource` (an ARN). A statement whose
 * variables have no value says nothing; one with a condition that cannot be decided never allows.
 */
enum policy_verdict policy_evaluate(const struct policy *policy, const char *action,
    const char *resource, const struct policy_context *context);

#endif
