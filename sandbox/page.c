/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/page.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/request.h"
#include "sandbox/response.h"
#include "sandbox/row.h"

/* Base64, so that clients do not mistake tokens for names. */
static json_t *page_make_token(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    char text[256];
    unsigned char encoded[400];

    if (json_is_integer(value))
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    else
        snprintf(text, sizeof(text), "%s", row_text(row, key));
    EVP_EncodeBlock(encoded, (unsigned char *)text, (int)strlen(text));
    return json_string((char *)encoded);
}

/* Decodes the key after which the page begins. False when the token is not valid Base64. */
static bool page_read_token(const char *token, char *key, size_t size)
{
    size_t length = strlen(token), padding = 0;
    int decoded;

    key[0] = '\0';
    if (length == 0)
        return true;
    if (length % 4 || length / 4 * 3 >= size)
        return false;
    while (padding < 2 && token[length - 1 - padding] == '=')
        padding++;
    decoded = EVP_DecodeBlock((unsigned char *)key, (const unsigned char *)token, (int)length);
    if (decoded < (int)padding)
        return false;
    key[decoded - (int)padding] = '\0';
    return true;
}

void page_respond(const struct request *request, struct response *response,
    const struct listing_page *page, const char *const *arguments)
{
    const char *token = request_text(request, page->older ? "marker" : "nextToken");
    size_t size = (size_t)request_number(request, page->older ? "pageSize" : "maxResults");
    bool down = page->descending && !request_flag(request, "ascendingOrder");
    const char *all[STATE_ARGUMENTS_MAX + 1] = {0};
    char key[768], limit[24];
    size_t count = 2;
    json_t *rows, *list;

    if (!page_read_token(token, key, sizeof(key))) {
        response_invalid(response, "Invalid token");
        return;
    }
    if (size == 0)
        size = PAGE_MAX;
    snprintf(limit, sizeof(limit), "%zu", size + 1);
    all[0] = *key || !down ? key : "9223372036854775807";
    all[1] = limit;
    for (; arguments && *arguments && count < STATE_ARGUMENTS_MAX; arguments++)
        all[count++] = *arguments;
    rows = state_select(request->state, down ? page->descending : page->sql, all);
    list = json_array();
    for (size_t i = 0; i < size && i < json_array_size(rows); i++)
        json_array_append_new(list, page->convert(json_array_get(rows, i)));
    response->body = json_pack("{s:o}", page->member, list);
    if (json_array_size(rows) > size)
        json_object_set_new(response->body, page->older ? "nextMarker" : "nextToken",
            page_make_token(json_array_get(rows, size - 1), page->key));
    json_decref(rows);
}
