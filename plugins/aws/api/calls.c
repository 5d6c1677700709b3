/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/api/calls.h"

#include <string.h>

#include "plugins/aws/api/operations.h"

/* More pages than any account fills; limits a listing that does not end. */
#define PAGES_MAX 100000

const char *aws_keep(struct iotify_call *call, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = call->host->alloc(call, size);

    memcpy(copy, text, size);
    return copy;
}

const char *aws_text(const json_t *answer, const char *member)
{
    const char *text = json_string_value(json_object_get(answer, member));

    return text ? text : "";
}

enum iotify_result aws_remove(
    struct aws_client *client, struct iotify_call *call, struct aws_request request)
{
    enum iotify_result result = aws_send(client, call, &request);

    json_decref(request.answer);
    return result == IOTIFY_NOT_FOUND ? IOTIFY_OK : result;
}

enum iotify_result aws_list(struct aws_client *client, struct iotify_call *call,
    struct aws_request *request, const char *next, const char *parameter,
    bool (*page)(void *argument, const json_t *answer), void *argument)
{
    enum iotify_result result = IOTIFY_OK;
    bool more = true;

    for (int i = 0; more && result == IOTIFY_OK && i < PAGES_MAX; i++) {
        const char *token;

        result = aws_send(client, call, request);
        if (result == IOTIFY_OK) {
            const char *last = request->query[AWS_QUERY_MAX - 1].value;

            token = aws_text(request->answer, next);
            if (*token && ((last && strcmp(last, token) == 0) || i + 1 == PAGES_MAX))
                result = call->host->fail(call, IOTIFY_FAILED, "BadAnswer",
                    "%s: the listing does not end", aws_operation_name(request->operation));
            more = page(argument, request->answer) && *token;
            request->query[AWS_QUERY_MAX - 1].name = parameter;
            request->query[AWS_QUERY_MAX - 1].value = more ? aws_keep(call, token) : NULL;
        }
        json_decref(request->answer);
        request->answer = NULL;
    }
    return result;
}
