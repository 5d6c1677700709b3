/*
 * The operations of the API. One table says of each what it is called, where it is found on the
 * wire, what it takes, how often AWS lets it be called, and who runs it: from it come routing,
 * validation, quotas and the reference.
 */
#ifndef SANDBOX_OPERATION_H
#define SANDBOX_OPERATION_H

#include <jansson.h>
#include <stdbool.h>

#include "sandbox/ca.h"
#include "sandbox/state.h"

#define ACCOUNT "123456789012"
#define PAGE_MAX 250

/* ------------------------------------------------------------------ the table */

enum place { IN_PATH, IN_QUERY, IN_HEADER, IN_BODY };
enum form { TEXT, NUMBER, FLAG, OBJECT, LIST };

/* What a text may consist of: the patterns of the service model. */
enum charset {
    ANYTHING,
    NAME,            /* [a-zA-Z0-9:_-]+ */
    POLICY_NAME,     /* [\w+=,.@-]+ */
    DIGITS,          /* [0-9]+ */
    HEXADECIMAL,     /* (0x)?[a-fA-F0-9]+ */
    MARKER,          /* [A-Za-z0-9+/]+={0,2} */
    ATTRIBUTE_NAME,  /* [a-zA-Z0-9_.,@/:#-]+ */
    ATTRIBUTE_VALUE, /* [a-zA-Z0-9_.,@/:#=\[\]-]* */
    PRINTABLE        /* [\p{Graph}\x20]* */
};

struct parameter {
    const char *name; /* of the service model; NULL ends a list */
    enum place place;
    enum form form;
    bool required;
    long min, max; /* bytes of a text, value of a number, items of a list; max 0: no limit */
    enum charset charset;
    const char *const *choices; /* ends with NULL; NULL: any */
    const char *wire;           /* name on the wire where it is another; NULL: the same */
};

struct request;
struct response;

struct operation {
    const char *name, *method;
    const char *path; /* {name} stands for a parameter, {name+} for one with slashes */
    double rate;      /* calls a second that AWS allows by default */
    bool opens;       /* may change what live sessions are allowed to do */
    void (*run)(const struct request *request, struct response *response);
    const struct parameter *parameters;
};

/* Tables by kind of resource; each ends with an entry without name. */
extern const struct operation type_operations[];
extern const struct operation thing_operations[];
extern const struct operation principal_operations[];
extern const struct operation group_operations[];
extern const struct operation policy_operations[];
extern const struct operation target_operations[];
extern const struct operation certificate_operations[];
extern const struct operation tag_operations[];
extern const struct operation endpoint_operations[];
extern const struct operation registration_operations[];
extern const struct operation data_operations[];
extern const struct operation sts_operations[];
extern const struct operation quota_operations[];

/* Call `found` for every operation. */
void operation_each(
    void (*found)(void *argument, const struct operation *operation), void *argument);
const struct operation *operation_by_name(const char *name);
/*
 * The operation of a method and a path as it came over the wire. Its path parameters are put into
 * `input`, decoded. NULL when there is none.
 */
const struct operation *operation_route(const char *method, const char *path, json_t *input);

/* ------------------------------------------------------------------ a call */

struct request {
    const struct operation *operation;
    const char *region;
    const char *payload; /* the body as it came */
    size_t payload_size;
    json_t *input; /* every parameter by its name, wherever it came from; valid by the table */
    struct state *state; /* inside a transaction; kept when the answer is no error */
    struct authority *authority;
    const struct service *service;
};

/* What the handlers need to know of the sandbox. */
struct service {
    uint16_t mqtt_port, https_port;
    int64_t deprecation_wait_ms, detach_wait_ms;
    /* The calls a second of an operation that are let through; 0: any number. */
    double (*quota)(void *argument, const char *operation);
    /* Publish on behalf of a caller that signed; false when the broker does not take it. */
    bool (*publish)(
        void *argument, const char *topic, const char *payload, size_t size, int qos, bool retain);
    void *argument;
};

struct response {
    unsigned status;
    json_t *body;         /* owned; NULL: an empty one */
    char *text;           /* in place of body: XML; owned, freed with free() */
    const char *error;    /* the error's code; NULL when it went well */
    char certificate[65]; /* whose live sessions have to be looked at again; "" for none */
};

/* Answer with an error of AWS: code, HTTP status, message. */
void respond_error(struct response *response, unsigned status, const char *code, const char *format,
    ...) __attribute__((format(printf, 4, 5)));
void respond_invalid(struct response *response, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* 400 InvalidRequestException */
void respond_not_found(struct response *response, const char *kind, const char *name);
/* 409 ResourceAlreadyExistsException with the resource's id and ARN. */
void respond_exists(struct response *response, const char *id, const char *arn, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

/* Parameters by name: "" , 0 or false when absent. */
const char *input_text(const struct request *request, const char *name);
json_int_t input_number(const struct request *request, const char *name);
bool input_flag(const struct request *request, const char *name);
bool input_given(const struct request *request, const char *name);

/* ------------------------------------------------------------------ rows and pages */

/* `arn:aws:iot:region:account:kind/name`, to be freed. */
char *make_arn(const struct request *request, const char *kind, const char *name);
/* A random identifier such as a thing's, to be freed. */
char *make_id(void);
/* Milliseconds since 1970, and the same as a string, to be freed. */
int64_t now_ms(void);
char *now_text(void);
char *number_text(int64_t number);
/* A time of a row as AWS writes it in JSON: seconds with a fraction. */
json_t *time_json(const json_t *row, const char *column);

/* The first row, with a reference of its own; NULL when there is none. Frees `rows`. */
json_t *first_row(json_t *rows);
/* Does the statement find a row? */
bool has_row(const struct request *request, const char *sql, const char *const *arguments);
const char *row_text(const json_t *row, const char *column);
json_int_t row_integer(const json_t *row, const char *column);
/* JSON text of a column as a value; an empty object when it is none. */
json_t *row_json(const json_t *row, const char *column);

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
void respond_page(const struct request *request, struct response *response, const struct page *page,
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
#define END_OF_PARAMETERS                                                                          \
    {                                                                                              \
        .place = IN_BODY, .form = TEXT                                                             \
    }

#endif
