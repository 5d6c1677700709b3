/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/iam_permissions.h"

#include <stdio.h>
#include <string.h>

/* What is the same for every client stands as it is, what differs is any text. */
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

/* Offline the account is not known, unless the job allows one only. */
static const char *iam_permissions_account_of(const struct aws_instance *instance)
{
    return instance->options->accounts.count == 1 ? instance->options->accounts.items[0] : "*";
}

void permit_all(struct iotify_call *call, const struct aws_instance *instance,
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

void permit_connector(struct iotify_call *call)
{
    call->host->permit(call, "iot:DescribeEndpoint", "*");
    call->host->permit(call, "sts:GetCallerIdentity", "*");
    call->host->permit(call, "servicequotas:ListServiceQuotas", "*");
}

#define ACTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

void permit_device(struct iotify_call *call, const struct aws_instance *instance,
    const struct device_options *options)
{
    const struct aws_names *names = &instance->names;
    const char *group = options->group ? options->group : names->group;
    const char *type = options->type ? options->type : names->type;
    bool policy = (options->policy || names->policy) && !names->group_has_policy;

    if (options->issuer == ISSUER_LOCAL)
        permit_all(call, instance, ACTIONS("RegisterCertificateWithoutCA"), NULL, NULL);
    else if (options->issuer == ISSUER_AWS)
        permit_all(call, instance,
            ACTIONS("CreateKeysAndCertificate", "ListPrincipalThings", "ListAttachedPolicies",
                "ListCertificates"),
            NULL, NULL);
    else
        permit_all(
            call, instance, ACTIONS("CreateCertificateFromCsr", "ListCertificates"), NULL, NULL);
    /* The first device that is there is looked at; AWS's own certificates are activated. */
    permit_all(call, instance, ACTIONS("DescribeCertificate"), "cert", "*");
    if (options->issuer != ISSUER_LOCAL)
        permit_all(call, instance, ACTIONS("UpdateCertificate", "DeleteCertificate"), "cert", "*");
    permit_all(call, instance, ACTIONS("AttachThingPrincipal"), NULL, NULL);
    permit_all(call, instance, ACTIONS("CreateThing", "DescribeThing"), "thing", options->thing);
    if (type)
        permit_all(call, instance, ACTIONS("CreateThing"), "thingtype", type);
    if (options->adopt)
        permit_all(call, instance, ACTIONS("UpdateThing", "ListThingGroupsForThing"), "thing",
            options->thing);
    if (options->register_thing)
        permit_all(call, instance, ACTIONS("RegisterThing"), NULL, NULL);
    if (policy)
        permit_all(call, instance, ACTIONS("AttachPolicy"), "cert", "*");
    if (group) {
        permit_all(call, instance, ACTIONS("AddThingToThingGroup"), "thing", options->thing);
        permit_all(call, instance, ACTIONS("AddThingToThingGroup"), "thinggroup", group);
    }
}

void permit_removal(struct iotify_call *call, const struct aws_instance *instance)
{
    const char *thing = instance->names.thing ? instance->names.thing : "*";
    const char *group = instance->names.group;

    permit_all(call, instance, ACTIONS("ListCertificates", "ListThings", "DetachThingPrincipal"),
        NULL, NULL);
    permit_all(call, instance,
        ACTIONS("DetachPolicy", "DescribeCertificate", "UpdateCertificate", "DeleteCertificate"),
        "cert", "*");
    permit_all(call, instance, ACTIONS("ListThingPrincipals", "DescribeThing", "DeleteThing"),
        "thing", thing);
    /* A cleanup without the store lists the group. */
    if (group)
        permit_all(call, instance, ACTIONS("ListThingsInThingGroup"), "thinggroup", group);
    if (!instance->names.adopt)
        return;
    permit_all(call, instance, ACTIONS("UpdateThing"), "thing", thing);
    if (group) {
        permit_all(call, instance, ACTIONS("RemoveThingFromThingGroup"), "thing", thing);
        permit_all(call, instance, ACTIONS("RemoveThingFromThingGroup"), "thinggroup", group);
    }
}
