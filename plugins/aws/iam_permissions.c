/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/iam_permissions.h"

#include <stdio.h>
#include <string.h>

/* Append the text with each expression replaced by "*". */
static void iam_permissions_to_pattern(const char *text, struct iotify_buffer *out)
{
    while (*text) {
        const char *open = strstr(text, "{{"), *close = open ? strstr(open, "}}") : NULL;
        size_t length = close ? (size_t)(open - text) : strlen(text);

        iotify_buffer_append(out, text, length);
        iotify_buffer_string(out, close ? "*" : "");
        text = close ? close + 2 : text + length;
    }
}

/* The account is unknown offline, unless the job allows a single one. */
static const char *iam_permissions_account_of(const struct aws_instance *instance)
{
    return instance->options->accounts.count == 1 ? instance->options->accounts.items[0] : "*";
}

void iam_permissions_add(struct iotify_call *call, const struct aws_instance *instance,
    const char *const *actions, const char *kind, const char *resource)
{
    struct iotify_buffer arn;
    char action[96];

    iotify_buffer_init(&arn, 2048);
    if (kind) {
        iotify_buffer_format(&arn, "arn:%s:iot:%s:%s:%s/", aws_partition(instance->target.region),
            instance->target.region, iam_permissions_account_of(instance), kind);
        iam_permissions_to_pattern(resource, &arn);
    } else {
        iotify_buffer_string(&arn, "*");
    }
    for (; *actions; actions++) {
        snprintf(action, sizeof(action), "iot:%s", *actions);
        call->host->permit(call, action, iotify_buffer_text(&arn));
    }
    iotify_buffer_clear(&arn);
}

void iam_permissions_connector(struct iotify_call *call)
{
    call->host->permit(call, "iot:DescribeEndpoint", "*");
    call->host->permit(call, "sts:GetCallerIdentity", "*");
    call->host->permit(call, "servicequotas:ListServiceQuotas", "*");
}

#define ACTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

void iam_permissions_device(struct iotify_call *call, const struct aws_instance *instance,
    const struct device_options *options)
{
    const struct aws_names *names = &instance->names;
    const char *group = options->group ? options->group : names->group;
    const char *type = options->type ? options->type : names->type;
    bool policy = (options->policy || names->policy) && !names->group_has_policy;

    if (options->issuer == ISSUER_LOCAL)
        iam_permissions_add(call, instance, ACTIONS("RegisterCertificateWithoutCA"), NULL, NULL);
    else if (options->issuer == ISSUER_AWS)
        iam_permissions_add(call, instance,
            ACTIONS("CreateKeysAndCertificate", "ListPrincipalThings", "ListAttachedPolicies",
                "ListCertificates"),
            NULL, NULL);
    else
        iam_permissions_add(
            call, instance, ACTIONS("CreateCertificateFromCsr", "ListCertificates"), NULL, NULL);
    /* To verify deployed devices; for certificates made by AWS, also to activate them. */
    iam_permissions_add(call, instance,
        ACTIONS("DescribeCertificate", "ListAttachedPolicies", "UpdateCertificate"), "cert", "*");
    /* To find and repair what differs from the records. */
    iam_permissions_add(call, instance, ACTIONS("ListThings", "ListCertificates"), NULL, NULL);
    iam_permissions_add(call, instance, ACTIONS("ListThingPrincipals", "ListThingGroupsForThing"),
        "thing", options->thing);
    if (policy)
        iam_permissions_add(call, instance, ACTIONS("ListTargetsForPolicy"), "policy",
            options->policy ? options->policy : names->policy);
    if (group)
        iam_permissions_add(call, instance, ACTIONS("ListThingsInThingGroup"), "thinggroup", group);
    if (options->issuer != ISSUER_LOCAL)
        iam_permissions_add(
            call, instance, ACTIONS("UpdateCertificate", "DeleteCertificate"), "cert", "*");
    iam_permissions_add(call, instance, ACTIONS("AttachThingPrincipal"), NULL, NULL);
    iam_permissions_add(
        call, instance, ACTIONS("CreateThing", "DescribeThing"), "thing", options->thing);
    if (type)
        iam_permissions_add(call, instance, ACTIONS("CreateThing"), "thingtype", type);
    if (options->adopt)
        iam_permissions_add(call, instance, ACTIONS("UpdateThing", "ListThingGroupsForThing"),
            "thing", options->thing);
    if (options->register_thing)
        iam_permissions_add(call, instance, ACTIONS("RegisterThing"), NULL, NULL);
    if (policy)
        iam_permissions_add(call, instance, ACTIONS("AttachPolicy"), "cert", "*");
    if (group) {
        iam_permissions_add(
            call, instance, ACTIONS("AddThingToThingGroup"), "thing", options->thing);
        iam_permissions_add(call, instance, ACTIONS("AddThingToThingGroup"), "thinggroup", group);
    }
}

void iam_permissions_removal(struct iotify_call *call, const struct aws_instance *instance)
{
    const char *thing = instance->names.thing ? instance->names.thing : "*";
    const char *group = instance->names.group;

    iam_permissions_add(call, instance,
        ACTIONS("ListCertificates", "ListThings", "DetachThingPrincipal", "ListPrincipalThings",
            "ListAttachedPolicies"),
        NULL, NULL);
    iam_permissions_add(call, instance,
        ACTIONS("DetachPolicy", "DescribeCertificate", "UpdateCertificate", "DeleteCertificate"),
        "cert", "*");
    iam_permissions_add(call, instance, ACTIONS("DescribeThing", "DeleteThing"), "thing", thing);
    /* cleanup --from-aws lists the group. */
    if (group)
        iam_permissions_add(call, instance, ACTIONS("ListThingsInThingGroup"), "thinggroup", group);
    if (!instance->names.adopt)
        return;
    iam_permissions_add(call, instance, ACTIONS("UpdateThing"), "thing", thing);
    if (group) {
        iam_permissions_add(call, instance, ACTIONS("RemoveThingFromThingGroup"), "thing", thing);
        iam_permissions_add(
            call, instance, ACTIONS("RemoveThingFromThingGroup"), "thinggroup", group);
    }
}
