/* SPDX-License-Identifier: Apache-2.0 */
/* Listings in pages. On the thread of the request. */
#ifndef SANDBOX_PAGE_H
#define SANDBOX_PAGE_H

#include "sandbox/request.h"
#include "sandbox/response.h"

#define PAGE_MAX 250

/*
 * How to list a kind of resource. In the statements, ?1 is the key after which the page begins, ?2
 * the number of rows, and ?3 and up are the `arguments` (end with NULL; NULL: none). `convert`
 * makes a new JSON value of a row; `key` is the column that the next token encodes.
 */
struct listing_page {
    const char *member;           /* of the response */
    bool older;                   /* with pageSize and marker instead of maxResults and nextToken */
    const char *sql, *descending; /* the second, by an integer key, is the default; NULL: none */
    const char *key;
    json_t *(*convert)(const json_t *row);
};
/* Respond with one page, or with InvalidRequestException for an invalid token. */
void page_respond(const struct request *request, struct response *response,
    const struct listing_page *page, const char *const *arguments);

/* The parameters of a listing, for a table of parameters. */
#define PAGE_PARAMETERS                                                                            \
    {.name = "maxResults", .location = IN_QUERY, .type = NUMBER, .min = 1, .max = PAGE_MAX},       \
    {                                                                                              \
        .name = "nextToken", .location = IN_QUERY, .type = TEXT, .max = 1024                       \
    }
#define OLDER_PAGE_PARAMETERS                                                                      \
    {.name = "pageSize", .location = IN_QUERY, .type = NUMBER, .min = 1, .max = PAGE_MAX},         \
    {                                                                                              \
        .name = "marker", .location = IN_QUERY, .type = TEXT, .max = 1024, .charset = MARKER       \
    }

#endif
