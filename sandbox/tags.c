/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of types, groups and policies. */
#include "sandbox/tags.h"
#include "sandbox/operation_tables.h"

#include <string.h>

#include "sandbox/page.h"
#include "sandbox/request.h"
#include "sandbox/resource.h"
#include "sandbox/response.h"
#include "sandbox/row.h"

#define TAGS_MAX 50
#define KEY_MAX 128
#define VALUE_MAX 256

static bool tags_check(struct response *response, const json_t *tag)
{
    const char *key = json_string_value(json_object_get(tag, "Key"));
    const json_t *value = json_object_get(tag, "Value");

    if (key && *key && strlen(key) <= KEY_MAX && strncmp(key, "aws:", 4) != 0 &&
        (!value || (json_is_string(value) && json_string_length(value) <= VALUE_MAX)))
        return true;
    response_invalid(response,
        "A tag needs a Key of 1 to %d characters that does not begin with aws:, and a Value of at "
        "most %d",
        KEY_MAX, VALUE_MAX);
    return false;
}

static size_t tags_count(const struct request *request, const char *arn)
{
    json_t *row = row_first(state_select(
        request->state, "SELECT count(*) AS n FROM tags WHERE arn = ?1", STATE_WITH(arn)));
    json_int_t count = row_integer(row, "n");

    json_decref(row);
    return (size_t)count;
}

bool tags_set(const struct request *request, struct response *response, const char *arn)
{
    const json_t *tags = json_object_get(request->input, "tags");

    for (size_t i = 0; i < json_array_size(tags); i++) {
        const json_t *tag = json_array_get(tags, i);
        const char *value = json_string_value(json_object_get(tag, "Value"));

        if (!tags_check(response, tag))
            return false;
        state_change(request->state, "REPLACE INTO tags (arn, key, value) VALUES (?1, ?2, ?3)",
            STATE_WITH(arn, json_string_value(json_object_get(tag, "Key")), value ? value : ""));
    }
    if (tags_count(request, arn) <= TAGS_MAX)
        return true;
    response_error(
        response, 410, "LimitExceededException", "A resource has at most %d tags", TAGS_MAX);
    return false;
}

void tags_clear(const struct request *request, const char *arn)
{
    state_change(request->state, "DELETE FROM tags WHERE arn = ?1", STATE_WITH(arn));
}

static bool tags_check_resource(const struct request *request, struct response *response)
{
    const char *arn = request_text(request, "resourceArn");

    if (strncmp(arn, "arn:aws:iot:", 12) != 0) {
        response_invalid(response, "Invalid resourceArn %.200s", arn);
        return false;
    }
    if (row_exists(request,
            "SELECT 1 FROM thing_types WHERE arn = ?1 UNION SELECT 1 FROM thing_groups"
            " WHERE arn = ?1 UNION SELECT 1 FROM policies WHERE arn = ?1",
            STATE_WITH(arn)))
        return true;
    response_not_found(response, "Resource", arn);
    return false;
}

static void tags_tag_resource(const struct request *request, struct response *response)
{
    if (tags_check_resource(request, response))
        tags_set(request, response, request_text(request, "resourceArn"));
}

static void tags_untag_resource(const struct request *request, struct response *response)
{
    const json_t *keys = json_object_get(request->input, "tagKeys");

    if (!tags_check_resource(request, response))
        return;
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *key = json_string_value(json_array_get(keys, i));

        if (key)
            state_change(request->state, "DELETE FROM tags WHERE arn = ?1 AND key = ?2",
                STATE_WITH(request_text(request, "resourceArn"), key));
    }
}

static json_t *tags_tag_json(const json_t *row)
{
    return json_pack("{s:s, s:s}", "Key", row_text(row, "key"), "Value", row_text(row, "value"));
}

static void tags_list(const struct request *request, struct response *response)
{
    static const struct listing_page page = {"tags", false,
        "SELECT key, value FROM tags WHERE key > ?1 AND arn = ?3 ORDER BY key"
        " LIMIT CAST(?2 AS INTEGER)",
        NULL, "key", tags_tag_json};

    if (tags_check_resource(request, response))
        page_respond(request, response, &page, STATE_WITH(request_text(request, "resourceArn")));
}

static const struct parameter tag_parameters[] = {
    {.name = "resourceArn",
        .location = IN_BODY,
        .type = TEXT,
        .required = true,
        .min = 1,
        .max = 2048},
    {.name = "tags", .location = IN_BODY, .type = LIST, .required = true, .max = 50},
    END_OF_PARAMETERS,
};
static const struct parameter untag_parameters[] = {
    {.name = "resourceArn",
        .location = IN_BODY,
        .type = TEXT,
        .required = true,
        .min = 1,
        .max = 2048},
    {.name = "tagKeys", .location = IN_BODY, .type = LIST, .required = true, .max = 50},
    END_OF_PARAMETERS,
};
static const struct parameter list_parameters[] = {
    {.name = "resourceArn",
        .location = IN_QUERY,
        .type = TEXT,
        .required = true,
        .min = 1,
        .max = 2048},
    {.name = "nextToken", .location = IN_QUERY, .type = TEXT, .max = 1024},
    END_OF_PARAMETERS,
};

const struct operation tag_operations[] = {
    {.name = "TagResource",
        .method = "POST",
        .path = "/tags",
        .rate = 10,
        .run = tags_tag_resource,
        .parameters = tag_parameters},
    {.name = "UntagResource",
        .method = "POST",
        .path = "/untag",
        .rate = 10,
        .run = tags_untag_resource,
        .parameters = untag_parameters},
    {.name = "ListTagsForResource",
        .method = "GET",
        .path = "/tags",
        .rate = 10,
        .run = tags_list,
        .parameters = list_parameters},
    {},
};
