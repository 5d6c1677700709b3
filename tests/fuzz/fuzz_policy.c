/* SPDX-License-Identifier: Apache-2.0 */
/* A policy document, a newline, an action, a newline, a resource. */
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/policy/policy.h"
#include "tests/fuzz/world.h"

static const char *variable_of(void *argument, const char *name)
{
    (void)argument;
    if (strcmp(name, "iot:ClientId") == 0)
        return "client";
    return strcmp(name, "iot:Connection.Thing.IsAttached") == 0 ? "true" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char deny[] = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\","
                               "\"Action\":\"*\",\"Resource\":\"*\"}]}";
    const struct policy_context context = {variable_of, NULL};
    char *text = strndup((const char *)data, size), why[200] = "";
    char *action = text ? strrchr(text, '\n') : NULL, *resource = "a";
    struct policy *policy, *denies;

    if (action) {
        *action = '\0';
        resource = action + 1;
        action = strrchr(text, '\n');
    }
    if (action)
        *action++ = '\0';
    policy = policy_parse(text ? text : "", why, sizeof(why));
    if (!policy && !*why)
        abort();
    if (policy) {
        enum policy_verdict verdict =
            policy_evaluate(policy, action ? action : "iot:Publish", resource, &context);

        if (verdict != policy_evaluate(policy, action ? action : "iot:Publish", resource, &context))
            abort();
        policy_free(policy);
    }
    denies = policy_parse(deny, why, sizeof(why));
    if (!denies ||
        policy_evaluate(denies, action ? action : "x", resource, &context) != POLICY_DENIES)
        abort();
    policy_free(denies);
    free(text);
    return 0;
}
