/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of a listing. */
#ifndef SANDBOX_PAGE_H
#define SANDBOX_PAGE_H

#include "sandbox/request.h"
#include "sandbox/response.h"

#define PAGE_MAX 250

/*
 * One page of a listing. The statement takes the key behind which the page begins as ?1 and the
 * number of rows as ?2; each row goes to `convert`. `key` is the column that the next token is
 * made of; `arguments` are ?3 and further ones.
 */
struct page {
    const char *member; /* of the answer */
    bool older;         /* with pageSize and marker in place of maxResults and nextToken */
    const char *sql, *descending; /* the second where the order can be turned; NULL: never */
    const char *key;
    json_t *(*convert)(const json_t *row);
};
void page_respond(const struct request *request, struct response *response, const struct page *page,
    const char *const *arguments);

/* What listings take; to be put into a table of parameters. */
#define PAGE_PARAMETERS                                                                            \
    {.name = "maxResults", .place = IN_QUERY, .form = NUMBER, .min = 1, .max = PAGE_MAX},          \
    {                                                                                              \
        .name = "nextToken", .place = IN_QUERY, .form = TEXT, .max = 1024                          \
    }
#define OLDER_PAGE_PARAMETERS                                                                      \
    {.name = "pageSize", .place = IN_QUERY, .form = NUMBER, .min = 1, .max = PAGE_MAX},            \
    {                                                                                              \
        .name = "marker", .place = IN_QUERY, .form = TEXT, .max = 1024, .charset = MARKER          \
    }

#endif
