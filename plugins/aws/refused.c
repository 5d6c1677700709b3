/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/refused.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "plugins/aws/policy/policy.h"
#include "plugins/aws/shared_policy.h"

/* "arn:aws-us-gov:iot:us-gov-east-1:123456789012:topicfilter/" and a topic */
#define RESOURCE_MAX 1024
#define EXPLANATION_MAX 640

struct refused_client {
    const char *id, *thing; /* NULL: it has none, over HTTPS; its name is not known here */
    bool exclusive;         /* its certificate is attached exclusively */
    bool unknown;           /* the policy asks for something that is not known here */
    bool has_no_thing;      /* and for a thing that AWS does not know */
};

/* What the policy calls it, and what to say of it. */
static const struct {
    const char *action, *kind, *words;
} refused_requests[] = {
    [IOTIFY_REQUEST_CONNECT] = {"iot:Connect", "client", ""},
    [IOTIFY_REQUEST_PUBLISH] = {"iot:Publish", "topic", "publish to"},
    [IOTIFY_REQUEST_SUBSCRIBE] = {"iot:Subscribe", "topicfilter", "subscribe to"},
};

/* The name with {{client()}} filled in; NULL when it needs the script engine. */
static const char *refused_name_thing(const struct aws_instance *instance, struct iotify_call *call)
{
    static const char client[] = "{{client()}}";
    const char *text = instance->names.thing, *at = text ? strstr(text, client) : NULL;
    size_t size;
    char *name;

    if (!at || strstr(at + strlen(client), "{{") || strstr(text, "{{") != at)
        return NULL;
    size = strlen(text) + 24;
    name = call->host->alloc(call, size);
    snprintf(name, size, "%.*s%lld%s", (int)(at - text), text, (long long)call->client,
        at + strlen(client));
    return name;
}

static const char *refused_variable(void *argument, const char *name)
{
    struct refused_client *client = argument;

    if (strcasecmp(name, "iot:ClientId") == 0)
        return client->id;
    if (strcasecmp(name, "aws:SecureTransport") == 0)
        return "true";
    if (strncasecmp(name, "iot:Connection.Thing.", 21) != 0 || !client->thing) {
        client->unknown = true;
        return NULL;
    }
    /* AWS knows the thing of a connection by the client id, or by an exclusive certificate. */
    if (!client->exclusive && (!client->id || strcmp(client->id, client->thing) != 0)) {
        client->has_no_thing = true;
        return NULL;
    }
    if (strcasecmp(name + 21, "ThingName") == 0)
        return client->thing;
    if (strcasecmp(name + 21, "IsAttached") == 0)
        return "true";
    client->unknown = true;
    return NULL;
}

/* The account in the first resource of the document; "*" when it has none. */
static const char *refused_find_account(const char *document, struct iotify_call *call)
{
    const char *at = document;
    char *copy = call->host->alloc(call, 16);

    copy[0] = '*';
    while ((at = strstr(at, ":iot:"))) {
        at += strlen(":iot:");
        at += strcspn(at, ":\"");
        if (*at == ':' && strspn(at + 1, "0123456789") == 12) {
            snprintf(copy, 13, "%s", at + 1);
            break;
        }
    }
    return copy;
}

static const char *refused_explain(const char *policy, struct iotify_call *call,
    const struct refused_client *client, enum iotify_request request, const char *topic)
{
    const bool renamed = client->thing && client->id && strcmp(client->thing, client->id) != 0;
    char *why = call->host->alloc(call, EXPLANATION_MAX);

    if (!client->id)
        snprintf(why, EXPLANATION_MAX, "the policy %s of this job does not allow to %s %.200s%s",
            policy, refused_requests[request].words, topic,
            client->has_no_thing
                ? "; over HTTPS, its ${iot:Connection.Thing…} need exclusive: true in aws.device"
                : "");
    else if (request == IOTIFY_REQUEST_CONNECT)
        snprintf(why, EXPLANATION_MAX,
            "the policy %s of this job does not allow the client id %.128s%s%.128s", policy,
            client->id, renamed ? "; its thing is " : "", renamed ? client->thing : "");
    else
        snprintf(why, EXPLANATION_MAX,
            "the policy %s of this job does not allow the client id %.128s to %s %.200s", policy,
            client->id, refused_requests[request].words, topic);
    return why;
}

/* Does this policy, or what is not known of the device, allow it? */
static bool refused_allows(struct aws_instance *instance, struct iotify_call *call,
    const struct aws_policy_step *step, enum iotify_request request, const char *object,
    struct refused_client *client)
{
    const struct policy_context context = {refused_variable, client};
    const char *account = aws_instance_account(instance, call);
    char *document = aws_policy_document(instance, call, step->document), why[160],
         resource[RESOURCE_MAX];
    struct policy *policy = document ? policy_parse(document, why, sizeof(why)) : NULL;
    bool allows = true;

    if (document && *account == '*')
        account = refused_find_account(document, call);
    if (policy && snprintf(resource, sizeof(resource), "arn:%s:iot:%s:%s:%s/%s",
                      aws_partition(instance->target.region), instance->target.region, account,
                      refused_requests[request].kind, object) < (int)sizeof(resource))
        allows = policy_evaluate(policy, refused_requests[request].action, resource, &context) ==
                 POLICY_ALLOWS;
    policy_free(policy);
    free(document);
    return allows || client->unknown;
}

const char *aws_refused(void *given, struct iotify_call *call, enum iotify_request request,
    const char *client_id, const char *topic)
{
    struct aws_instance *instance = given;
    const struct aws_names *names = &instance->names;
    const char *policy = names->device_policy ? names->device_policy : names->policy;
    const char *object = request == IOTIFY_REQUEST_CONNECT ? client_id : topic;
    struct refused_client client = {.id = client_id,
        .thing = refused_name_thing(instance, call),
        .exclusive = names->exclusive};
    bool known = false;

    /* Of certificates that no step makes, the policies are unknown. */
    if (!names->thing || !policy)
        return NULL;
    for (size_t i = 0; i < names->policy_count; i++) {
        known = known || strcmp(names->policies[i].name, policy) == 0;
        if (refused_allows(instance, call, &names->policies[i], request, object, &client))
            return NULL;
    }
    return known ? refused_explain(policy, call, &client, request, topic) : NULL;
}
