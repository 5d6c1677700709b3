/*
 * Calls of the AWS IoT API: one table of operations, one way to send them.
 */
#ifndef PLUGINS_AWS_API_CLIENT_H
#define PLUGINS_AWS_API_CLIENT_H

#include <jansson.h>

#include <iotify/host.h>

enum aws_operation {
    AWS_ADD_THING_TO_THING_GROUP,
    AWS_ATTACH_POLICY,
    AWS_ATTACH_THING_PRINCIPAL,
    AWS_CREATE_CERTIFICATE_FROM_CSR,
    AWS_CREATE_KEYS_AND_CERTIFICATE,
    AWS_CREATE_POLICY,
    AWS_CREATE_THING,
    AWS_CREATE_THING_GROUP,
    AWS_CREATE_THING_TYPE,
    AWS_DELETE_CERTIFICATE,
    AWS_DELETE_POLICY,
    AWS_DELETE_POLICY_VERSION,
    AWS_DELETE_THING,
    AWS_DELETE_THING_GROUP,
    AWS_DELETE_THING_TYPE,
    AWS_DEPRECATE_THING_TYPE,
    AWS_DESCRIBE_CERTIFICATE,
    AWS_DESCRIBE_ENDPOINT,
    AWS_DESCRIBE_THING,
    AWS_DESCRIBE_THING_GROUP,
    AWS_DESCRIBE_THING_TYPE,
    AWS_DETACH_POLICY,
    AWS_DETACH_THING_PRINCIPAL,
    AWS_GET_POLICY,
    AWS_LIST_ATTACHED_POLICIES,
    AWS_LIST_CERTIFICATES,
    AWS_LIST_POLICY_VERSIONS,
    AWS_LIST_PRINCIPAL_THINGS,
    AWS_LIST_TARGETS_FOR_POLICY,
    AWS_LIST_THINGS,
    AWS_LIST_THINGS_IN_THING_GROUP,
    AWS_LIST_THING_GROUPS_FOR_THING,
    AWS_LIST_THING_PRINCIPALS,
    AWS_REGISTER_CERTIFICATE_WITHOUT_CA,
    AWS_REGISTER_THING,
    AWS_REMOVE_THING_FROM_THING_GROUP,
    AWS_UPDATE_CERTIFICATE,
    AWS_UPDATE_THING,
    AWS_OPERATIONS
};

/* What the settings of the plugin come to; all strings outlive the client. */
struct aws_target {
    const char *region;
    const char *endpoint; /* https://iot.eu-central-1.amazonaws.com, without a slash at the end */
    const char *sts_endpoint;    /* NULL: there is none to ask */
    const char *quotas_endpoint; /* of Service Quotas; NULL: there is none to ask */
    const char *signing_name;    /* "iot" */
};

struct aws_client;

/* NULL when memory is out. */
struct aws_client *aws_client_new(
    const struct aws_target *target, const char *profile, const char *ca);
void aws_client_free(struct aws_client *client);

#define AWS_QUERY_MAX 4

/* One call. Names and values are as the user knows them: encoding happens here. */
struct aws_request {
    enum aws_operation operation;
    const char *name;    /* in the place of {} in the path */
    const char *version; /* in the place of the second {} */
    struct {
        const char *name, *value;
    } query[AWS_QUERY_MAX];
    const char *principal; /* header x-amzn-principal; NULL: none */
    json_t *body;          /* owned by the caller; NULL: no body */
    json_t *answer;        /* the caller's to free; NULL when the answer has no body */
    bool uncertain;        /* set: a try has no answer, and nobody knows whether it was done */
};

/*
 * Send through the host, which paces and repeats. Errors of the service come back as results:
 * IOTIFY_NOT_FOUND, IOTIFY_EXISTS and IOTIFY_CONFLICT often are not the caller's error.
 */
enum iotify_result aws_send(
    struct aws_client *client, struct iotify_call *call, struct aws_request *request);

/*
 * Send a request that takes something away, and forget its answer: what is gone already is as good
 * as removed. The body stays the caller's.
 */
enum iotify_result aws_remove(
    struct aws_client *client, struct iotify_call *call, struct aws_request request);

/*
 * Send a listing page after page; `page` gets each answer and says whether to go on. `next` names
 * the member of the answer that is the parameter `parameter` of the next page; the request keeps
 * the last query place free for it.
 */
enum iotify_result aws_list(struct aws_client *client, struct iotify_call *call,
    struct aws_request *request, const char *next, const char *parameter,
    bool (*page)(void *argument, const json_t *answer), void *argument);

/* The account of the credentials, in the call's arena; NULL text when STS cannot be asked. */
enum iotify_result aws_account(
    struct aws_client *client, struct iotify_call *call, const char **account);
/*
 * Call `found` for each quota of AWS IoT's API that the account has, by the operation's name.
 * IOTIFY_NOT_FOUND when there is no endpoint to ask.
 */
enum iotify_result aws_quotas(struct aws_client *client, struct iotify_call *call,
    void (*found)(void *argument, enum aws_operation operation, double rate), void *argument);

/* How an operation is called: {} in the path are its parameters there. */
struct aws_form {
    const char *name, *method, *path;
    double rate; /* the default */
    /* What a success answers at least, and of which type; NULL: nothing. */
    const char *member;
    json_type type;
    bool once; /* what a second request makes, or answers, is another thing: see http.h */
};
const struct aws_form *aws_operation_form(enum aws_operation operation);
/* AWS's time, seconds since 1970, as its last answer told it. */
int64_t aws_now(struct aws_client *client);

const char *aws_operation_name(enum aws_operation operation);
/* AWS_OPERATIONS when there is none of this name. */
enum aws_operation aws_operation_by_name(const char *name);
/* Calls a second that AWS allows by default; 0 when the operation is not known. */
double aws_default_rate(const char *operation);

/* A string member of an answer, "" when absent. */
const char *aws_text(const json_t *answer, const char *member);
/* A copy in the call's arena. */
const char *aws_keep(struct iotify_call *call, const char *text);

#endif
