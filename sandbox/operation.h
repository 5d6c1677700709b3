/* One operation of the API: what it gets, and how it answers. */
#ifndef SANDBOX_OPERATION_H
#define SANDBOX_OPERATION_H

#include <jansson.h>

#include "sandbox/api.h"

struct request {
    const struct api_options *options;
    struct state *state; /* inside a transaction; kept when the answer is no error */
    struct authority *authority;
    const char *region;
    const char *parameters[2]; /* of the path, decoded; "" where there is none */
    const char *principal;     /* header x-amzn-principal; "" when absent */
    const char *action;        /* of a form body, for STS */
    json_t *body;              /* an object, empty when there was none */
    const char *(*query)(const struct request *request, const char *name); /* NULL when absent */
    void *connection;
};

struct response {
    unsigned status;
    json_t *body;      /* owned; NULL: none */
    char *text;        /* in place of body: XML; owned, freed with free() */
    const char *error; /* the error's code; NULL when it went well */
};

struct operation {
    const char *name, *method, *path; /* {} stands for a parameter */
    void (*run)(const struct request *request, struct response *response);
};

/* Tables by kind of resource; each ends with an entry without name. */
extern const struct operation thing_operations[];
extern const struct operation group_operations[];
extern const struct operation policy_operations[];
extern const struct operation certificate_operations[];
extern const struct operation other_operations[];

/* Answer with an error of AWS: code, HTTP status, message. */
void respond_error(struct response *response, unsigned status, const char *code, const char *format,
    ...) __attribute__((format(printf, 4, 5)));
void respond_not_found(struct response *response, const char *kind, const char *name);
/* 409 ResourceAlreadyExistsException with the resource's id and ARN. */
void respond_exists(struct response *response, const char *id, const char *arn, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

/* A string member of the body; "" when absent. */
const char *body_text(const struct request *request, const char *member);
/* `arn:aws:iot:region:account:kind/name`, to be freed. */
char *make_arn(const struct request *request, const char *kind, const char *name);
/* A random identifier such as a thing's, to be freed. */
char *make_id(void);
/* The first row, with a reference of its own; NULL when there is none. Frees `rows`. */
json_t *first_row(json_t *rows);
/* Does the statement find a row? */
bool has_row(const struct request *request, const char *sql, const char *const *arguments);
const char *row_text(const json_t *row, const char *column);
json_int_t row_integer(const json_t *row, const char *column);
/* Seconds since 1970 as a string, to be freed. */
char *now_text(void);

/*
 * One page of a listing: `rows` are all rows behind the token, in the order of `key`. Those of the
 * page go to `convert`, which returns what is put into the list `member`; the name of the last
 * one becomes the next token. `size` and `token` name the query parameters, `next` the answer's.
 */
struct page_names {
    const char *member, *size, *token, *next;
};
void respond_page(const struct request *request, struct response *response, json_t *rows,
    const char *key, const struct page_names *names, json_t *(*convert)(const json_t *row));
/* The token of the request, decoded: list what comes after it; "" at the start. */
const char *page_after(const struct request *request, const struct page_names *names);

/* The page names of most listings, and of the older ones. */
#define PAGE_NAMES(member)                                                                         \
    {                                                                                              \
        member, "maxResults", "nextToken", "nextToken"                                             \
    }
#define PAGE_MARKER(member)                                                                        \
    {                                                                                              \
        member, "pageSize", "marker", "nextMarker"                                                 \
    }

#endif
