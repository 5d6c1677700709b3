/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS IoT policies: a document is parsed once and then evaluated for each action. Any thread;
 * several threads may evaluate the same policy at once.
 */
#ifndef PLUGINS_AWS_POLICY_POLICY_H
#define PLUGINS_AWS_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>

struct policy;

/* Maximum size of a document without the white space between its tokens, as AWS counts it. */
#define POLICY_BYTES_MAX 2048

/*
 * Parse a document. The caller frees the result with policy_free(). NULL when the document is not a
 * valid policy, with the cause in `why` (`size` bytes), or without memory, with `why` unchanged.
 */
struct policy *policy_parse(const char *document, char *why, size_t size);
void policy_free(struct policy *policy);

/* The values of ${variables} and condition keys. */
struct policy_context {
    /* The value of a variable such as "iot:ClientId", valid until the next call; NULL: none. */
    const char *(*variable)(void *argument, const char *name);
    void *argument;
};

/* In ascending precedence: an explicit Deny overrides every Allow. SILENT: no statement applies. */
enum policy_verdict { POLICY_SILENT, POLICY_ALLOWS, POLICY_DENIES };

/*
 * Evaluate `action` ("iot:Publish") on `resource` (an ARN). A statement whose variables have no
 * value does not apply. A statement whose condition cannot be decided denies, but does not allow.
 */
enum policy_verdict policy_evaluate(const struct policy *policy, const char *action,
    const char *resource, const struct policy_context *context);

#endif
