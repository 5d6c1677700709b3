/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/api/calls.h"

#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/operations.h"

/* More pages than any account fills; limits a listing that does not end. */
#define PAGES_MAX 100000
#define EMPTY_PAGES_MAX 1000 /* in a row */

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
    return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_OK : result;
}

/* Stages from here on are those of aws_wait_until_visible(). */
#define STAGE_VISIBLE 1000
#define VISIBLE_ATTEMPTS 8
#define VISIBLE_PAUSE_MIN INT64_C(250000000)
#define VISIBLE_PAUSE_MAX INT64_C(2000000000)

enum iotify_result aws_wait_until_visible(struct iotify_call *call, enum iotify_result result)
{
    int attempt = call->stage >= STAGE_VISIBLE ? call->stage - STAGE_VISIBLE : 0;
    int64_t pause = VISIBLE_PAUSE_MIN << (attempt < 3 ? attempt : 3);

    if (result != IOTIFY_RESULT_NOT_FOUND || attempt >= VISIBLE_ATTEMPTS)
        return result;
    return call->host->later(
        call, pause < VISIBLE_PAUSE_MAX ? pause : VISIBLE_PAUSE_MAX, STAGE_VISIBLE + attempt + 1);
}

int aws_stage(const struct iotify_call *call)
{
    return call->stage < STAGE_VISIBLE ? call->stage : 0;
}

/* The tokens of a listing: the one that asks for the next page, and an earlier one. */
struct calls_tokens {
    char *next, *earlier;
    int pages, kept_at, empty; /* pages so far; at the earlier token; empty ones in a row */
};

static bool calls_page_is_empty(const json_t *answer)
{
    const char *name;
    json_t *member;

    json_object_foreach((json_t *)answer, name, member)
    {
        if (json_array_size(member) > 0)
            return false;
    }
    return true;
}

/*
 * Take the token of a page; false when the listing cannot end. A token that comes again is found
 * by comparing with the one of a page number that is a power of two.
 */
static bool calls_take_token(struct calls_tokens *tokens, const char *token, bool empty)
{
    bool ends;

    tokens->empty = empty ? tokens->empty + 1 : 0;
    free(tokens->next);
    tokens->next = strdup(token);
    ends = tokens->next && tokens->empty < EMPTY_PAGES_MAX && ++tokens->pages < PAGES_MAX &&
           !(tokens->earlier && strcmp(tokens->earlier, token) == 0);
    if (tokens->pages >= 2 * tokens->kept_at) {
        free(tokens->earlier);
        tokens->earlier = strdup(token);
        tokens->kept_at = tokens->pages;
    }
    return ends;
}

enum iotify_result aws_list(struct aws_client *client, struct iotify_call *call,
    struct aws_request *request, const char *next, const char *parameter,
    bool (*page)(void *argument, const json_t *answer), void *argument)
{
    struct calls_tokens tokens = {0};
    enum iotify_result result;
    bool more = true;

    do {
        result = aws_send(client, call, request);
        if (result == IOTIFY_RESULT_OK) {
            const char *token = aws_text(request->answer, next);

            more = page(argument, request->answer) && *token;
            if (more && !calls_take_token(&tokens, token, calls_page_is_empty(request->answer)))
                result = call->host->fail(call, IOTIFY_RESULT_FAILED, "BadAnswer",
                    "%s: the listing does not end", aws_operation_name(request->operation));
            request->query[AWS_QUERY_MAX - 1].name = parameter;
            request->query[AWS_QUERY_MAX - 1].value = more ? tokens.next : NULL;
        }
        json_decref(request->answer);
        request->answer = NULL;
    } while (more && result == IOTIFY_RESULT_OK);
    request->query[AWS_QUERY_MAX - 1].value = NULL;
    free(tokens.next);
    free(tokens.earlier);
    return result;
}
