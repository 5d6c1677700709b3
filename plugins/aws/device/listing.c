/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/device/listing.h"

#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/device/record.h"

/* ------------------------------------------------------------------ certificates */

struct listing_certificates {
    int64_t since;
    void (*found)(void *argument, const struct listing_certificate *certificate);
    void *argument;
};

/* AWS lists the newest first: end the listing at the first certificate that is too old. */
static bool listing_on_certificates(void *argument, const json_t *answer)
{
    const struct listing_certificates *listing = argument;
    const json_t *list = json_object_get(answer, "certificates");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const struct listing_certificate certificate = {.id = aws_text(item, "certificateId"),
            .arn = aws_text(item, "certificateArn"),
            .status = aws_text(item, "status")};
        const json_t *created = json_object_get(item, "creationDate");

        if (json_is_number(created) && json_number_value(created) < (double)listing->since)
            return false;
        listing->found(listing->argument, &certificate);
    }
    return true;
}

enum iotify_result listing_certificates(struct aws_instance *instance, struct iotify_call *call,
    int64_t since, void (*found)(void *argument, const struct listing_certificate *certificate),
    void *argument)
{
    struct aws_request request = {
        .operation = AWS_LIST_CERTIFICATES, .query = {{"pageSize", "250"}}};
    struct listing_certificates listing = {since - LISTING_MARGIN, found, argument};

    return aws_list(instance->client, call, &request, "nextMarker", "marker",
        listing_on_certificates, &listing);
}

/* ------------------------------------------------------------------ things */

struct listing_things {
    void (*found)(void *argument, const char *name, const json_t *attributes);
    void *argument;
};

static bool listing_on_things(void *argument, const json_t *answer)
{
    const struct listing_things *listing = argument;
    const json_t *list = json_object_get(answer, "things");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);

        listing->found(
            listing->argument, aws_text(item, "thingName"), json_object_get(item, "attributes"));
    }
    return true;
}

enum iotify_result listing_things(struct aws_instance *instance, struct iotify_call *call,
    const char *job, void (*found)(void *argument, const char *name, const json_t *attributes),
    void *argument)
{
    struct aws_request request = {.operation = AWS_LIST_THINGS,
        .query = {{"maxResults", "250"}, {"attributeName", job ? THING_JOB : NULL},
            {"attributeValue", job}}};
    struct listing_things listing = {found, argument};

    return aws_list(
        instance->client, call, &request, "nextToken", "nextToken", listing_on_things, &listing);
}

/* ------------------------------------------------------------------ names in a list */

struct listing_names {
    const char *member; /* of the answer */
    void (*found)(void *argument, const char *name);
    void *argument;
};

static bool listing_on_names(void *argument, const json_t *answer)
{
    const struct listing_names *listing = argument;
    const json_t *list = json_object_get(answer, listing->member);

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (name)
            listing->found(listing->argument, name);
    }
    return true;
}

enum iotify_result listing_group(struct aws_instance *instance, struct iotify_call *call,
    const char *group, void (*found)(void *argument, const char *name), void *argument)
{
    struct aws_request request = {.operation = AWS_LIST_THINGS_IN_THING_GROUP,
        .name = group,
        .query = {{"maxResults", "250"}}};
    struct listing_names listing = {"things", found, argument};

    return aws_list(
        instance->client, call, &request, "nextToken", "nextToken", listing_on_names, &listing);
}

enum iotify_result listing_targets(struct aws_instance *instance, struct iotify_call *call,
    const char *policy, void (*found)(void *argument, const char *arn), void *argument)
{
    struct aws_request request = {
        .operation = AWS_LIST_TARGETS_FOR_POLICY, .name = policy, .query = {{"pageSize", "250"}}};
    struct listing_names listing = {"targets", found, argument};

    return aws_list(
        instance->client, call, &request, "nextMarker", "marker", listing_on_names, &listing);
}
