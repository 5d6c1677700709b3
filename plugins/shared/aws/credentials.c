/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/shared/aws/credentials.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugins/shared/aws/profile.h"

#define REFRESH_BEFORE 300
#define REFRESH_PAUSE 30
#define INSTANCE_TIMEOUT_MS 2000
#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"

struct credentials_chain {
    pthread_mutex_t mutex;
    const char *profile;
    struct http *http;
    bool known;
    struct credentials current;
    int64_t asked;     /* time of the last search, seconds since 1970; 0: never */
    char failure[400]; /* error of the last search; "" when it succeeded */
};

/* Result of one source: no credentials, credentials, or an error that was reported. */
enum credentials_outcome { NONE, FOUND, FAILED };

struct credentials_chain *credentials_new(const char *profile, struct http *http)
{
    struct credentials_chain *chain = calloc(1, sizeof(*chain));

    if (!chain)
        return NULL;
    pthread_mutex_init(&chain->mutex, NULL);
    chain->profile = profile;
    chain->http = http;
    return chain;
}

void credentials_free(struct credentials_chain *chain)
{
    if (!chain)
        return;
    pthread_mutex_destroy(&chain->mutex);
    explicit_bzero(&chain->current, sizeof(chain->current));
    free(chain);
}

/* Report an error and store it for the calls of the next REFRESH_PAUSE seconds. */
static enum credentials_outcome credentials_deny(struct credentials_chain *chain,
    struct iotify_call *call, const char *format, ...) IOTIFY_PRINTF(3, 4);

static enum credentials_outcome credentials_deny(
    struct credentials_chain *chain, struct iotify_call *call, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(chain->failure, sizeof(chain->failure), format, arguments);
    va_end(arguments);
    call->host->fail(call, IOTIFY_RESULT_DENIED, "NoCredentials", "%s", chain->failure);
    return FAILED;
}

static bool credentials_copy(char *to, size_t size, const char *from)
{
    if (!from || strlen(from) >= size)
        return false;
    memcpy(to, from, strlen(from) + 1);
    return true;
}

/* ------------------------------------------------------------------ environment, files */

static enum credentials_outcome credentials_from_environment(
    struct credentials_chain *chain, struct iotify_call *call, struct credentials *out)
{
    const char *token = getenv("AWS_SESSION_TOKEN");
    const char *access_key = getenv("AWS_ACCESS_KEY_ID");
    const char *secret_key = getenv("AWS_SECRET_ACCESS_KEY");

    if ((access_key && *access_key) != (secret_key && *secret_key))
        return credentials_deny(chain, call, "%s is set and %s is not; set both or none",
            access_key && *access_key ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
            access_key && *access_key ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    if (!access_key || !*access_key ||
        !credentials_copy(out->access_key, sizeof(out->access_key), access_key) ||
        !credentials_copy(out->secret_key, sizeof(out->secret_key), secret_key))
        return NONE;
    if (token && !credentials_copy(out->token, sizeof(out->token), token))
        return credentials_deny(
            chain, call, "AWS_SESSION_TOKEN has more than %zu characters", sizeof(out->token) - 1);
    out->source = "the environment";
    return FOUND;
}

static bool credentials_from_file(
    enum profile_file file, const char *profile, struct credentials *out)
{
    struct iotify_buffer value;
    bool good;

    iotify_buffer_init(&value, sizeof(out->token));
    good = profile_get(file, profile, "aws_access_key_id", &value) &&
           credentials_copy(out->access_key, sizeof(out->access_key), iotify_buffer_text(&value)) &&
           profile_get(file, profile, "aws_secret_access_key", &value) &&
           credentials_copy(out->secret_key, sizeof(out->secret_key), iotify_buffer_text(&value));
    if (good && profile_get(file, profile, "aws_session_token", &value))
        good = credentials_copy(out->token, sizeof(out->token), iotify_buffer_text(&value));
    iotify_buffer_wipe(&value);
    return good;
}

/* Sources of credentials that the shared files may name and that are not supported here. */
static const char *const unsupported[] = {"role_arn", "credential_process", "sso_session",
    "sso_start_url", "web_identity_token_file", "login_session"};

/* The first unsupported source that the profile names; NULL: none. */
static const char *credentials_other_way(const char *profile)
{
    static const enum profile_file files[] = {PROFILE_CONFIG, PROFILE_CREDENTIALS};
    const char *found = NULL;
    struct iotify_buffer value;

    iotify_buffer_init(&value, 4096);
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]) && !found; i++)
        for (size_t j = 0; j < 2 && !found; j++)
            if (profile_get(files[j], profile, unsupported[i], &value))
                found = unsupported[i];
    iotify_buffer_clear(&value);
    return found;
}

/*
 * A profile with an unsupported source is an error. Its static keys, or a later source of the
 * chain, might belong to another account.
 */
static enum credentials_outcome credentials_from_files(struct credentials_chain *chain,
    struct iotify_call *call, const char *profile, bool named, struct credentials *out)
{
    const char *way = credentials_other_way(profile);

    if (way)
        return credentials_deny(chain, call,
            "the profile \"%s\" takes its credentials by %s, which iotifyd does not support; run: "
            "eval "
            "\"$(aws configure export-credentials --profile %s --format env)\" and leave profile: "
            "and AWS_PROFILE out",
            profile, way, profile);
    if (credentials_from_file(PROFILE_CREDENTIALS, profile, out) ||
        credentials_from_file(PROFILE_CONFIG, profile, out)) {
        out->source = "the shared credentials file";
        return FOUND;
    }
    if (!named)
        return NONE;
    return credentials_deny(chain, call, "the profile \"%s\" %s; run: aws configure --profile %s",
        profile,
        profile_exists(profile) ? "has no access key, or one that is too long"
                                : "is not in the shared AWS files",
        profile);
}

/*
 * A role by web identity is an error as well: the next source of the chain could be the instance's
 * role, which may do more than the role that was asked for.
 */
static enum credentials_outcome credentials_from_web_identity(
    struct credentials_chain *chain, struct iotify_call *call)
{
    const char *file = getenv("AWS_WEB_IDENTITY_TOKEN_FILE");

    if (!file || !*file)
        return NONE;
    return credentials_deny(chain, call,
        "AWS_WEB_IDENTITY_TOKEN_FILE asks for the role %s, which iotifyd cannot assume; run: "
        "eval \"$(aws configure export-credentials --format env)\"",
        getenv("AWS_ROLE_ARN") ? getenv("AWS_ROLE_ARN") : "in AWS_ROLE_ARN");
}

/* ------------------------------------------------------------------ endpoints */

/* "2026-01-02T03:04:05Z" as seconds since 1970; 0 when it is not a valid time. */
static int64_t credentials_parse_time(const char *text)
{
    struct tm parts = {0};

    return text && strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) ? (int64_t)timegm(&parts) : 0;
}

static bool credentials_parse_answer(const struct http_response *response, struct credentials *out)
{
    json_t *json = json_loadb(response->body.data, response->body.size, 0, NULL);
    const char *token = json_string_value(json_object_get(json, "Token"));
    bool good = credentials_copy(out->access_key, sizeof(out->access_key),
                    json_string_value(json_object_get(json, "AccessKeyId"))) &&
                credentials_copy(out->secret_key, sizeof(out->secret_key),
                    json_string_value(json_object_get(json, "SecretAccessKey")));

    if (good && token)
        good = credentials_copy(out->token, sizeof(out->token), token);
    out->expires = credentials_parse_time(json_string_value(json_object_get(json, "Expiration")));
    json_decref(json);
    return good;
}

static enum credentials_outcome credentials_ask(struct credentials_chain *chain,
    struct iotify_call *call, const char *url, const struct http_header *header, const char *source,
    struct credentials *out)
{
    struct http_request request = {.call = call,
        .method = "GET",
        .url = url,
        .headers = header,
        .header_count = header ? 1 : 0,
        .timeout_ms = INSTANCE_TIMEOUT_MS,
        .no_proxy = true};
    struct http_response response;
    enum credentials_outcome outcome = FAILED;

    http_send(chain->http, &request, &response);
    if (response.status == 200 && credentials_parse_answer(&response, out)) {
        out->source = source;
        outcome = FOUND;
    } else if (response.status == 0) {
        credentials_deny(
            chain, call, "no answer from %s for credentials: %s", source, response.error);
    } else {
        credentials_deny(chain, call, "%s gives no credentials (HTTP %ld); is a role attached?",
            source, response.status);
    }
    http_response_clear(&response);
    return outcome;
}

/*
 * The container's token, from the file that the environment names, or from the environment. Reading
 * must not block: a FIFO without a writer counts as empty.
 */
static void credentials_container_token(struct iotify_buffer *token)
{
    const char *file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *text = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    int descriptor = file && *file ? open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    FILE *stream = descriptor >= 0 ? fdopen(descriptor, "r") : NULL;
    char line[4096];

    if (stream && fgets(line, sizeof(line), stream)) {
        line[strcspn(line, "\r\n")] = '\0';
        iotify_buffer_string(token, line);
    } else if (text) {
        iotify_buffer_string(token, text);
    }
    if (stream)
        fclose(stream);
}

/*
 * Whether the credentials and the token may go to this URL: by https, or by http to this host or to
 * the addresses at which ECS and EKS answer.
 */
static bool credentials_may_ask(const char *url)
{
    static const char *const hosts[] = {
        "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "localhost", "[::1]"};
    const char *host = url + strlen("http://");
    size_t length;

    if (strncasecmp(url, "https://", strlen("https://")) == 0)
        return true;
    if (strncasecmp(url, "http://", strlen("http://")) != 0)
        return false;
    length = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    if (strcspn(host, "@") < strcspn(host, "/?#"))
        return false;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        if (length == strlen(hosts[i]) && strncasecmp(host, hosts[i], length) == 0)
            return true;
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == length;
}

static enum credentials_outcome credentials_from_container(
    struct credentials_chain *chain, struct iotify_call *call, struct credentials *out)
{
    const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    struct iotify_buffer url, token;
    struct http_header header = {.name = "Authorization"};
    enum credentials_outcome outcome = NONE;

    iotify_buffer_init(&url, 4096);
    iotify_buffer_init(&token, 8192);
    if (relative && *relative)
        iotify_buffer_format(&url, CONTAINER_HOST "%s", relative);
    else if (full && *full)
        iotify_buffer_string(&url, full);
    if (relative && *relative && *relative != '/') {
        outcome = credentials_deny(chain, call,
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must begin with /, not be \"%s\"", relative);
    } else if (url.size && !credentials_may_ask(iotify_buffer_text(&url))) {
        outcome = credentials_deny(chain, call,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI must be an https URL, or an http URL of this host "
            "or "
            "of a container's credential address, not \"%s\"",
            full);
    } else if (url.size) {
        credentials_container_token(&token);
        header.value = iotify_buffer_text(&token);
        outcome = credentials_ask(chain, call, iotify_buffer_text(&url),
            token.size ? &header : NULL, "the container's credential endpoint", out);
    }
    iotify_buffer_clear(&url);
    iotify_buffer_wipe(&token);
    return outcome;
}

/* Append the first line of an answer of the metadata service; false when it does not answer. */
static bool credentials_instance_text(struct credentials_chain *chain, struct iotify_call *call,
    const char *method, const char *url, const struct http_header *header,
    struct iotify_buffer *text)
{
    struct http_request request = {.call = call,
        .method = method,
        .url = url,
        .headers = header,
        .header_count = 1,
        .timeout_ms = INSTANCE_TIMEOUT_MS,
        .no_proxy = true};
    struct http_response response;
    bool good;

    http_send(chain->http, &request, &response);
    good = response.status == 200 && response.body.size > 0;
    if (good)
        iotify_buffer_append(text, response.body.data, strcspn(response.body.data, "\r\n"));
    http_response_clear(&response);
    return good;
}

static enum credentials_outcome credentials_from_instance(
    struct credentials_chain *chain, struct iotify_call *call, struct credentials *out)
{
    static const char path[] = "/latest/meta-data/iam/security-credentials/";
    const struct http_header life = {"x-aws-ec2-metadata-token-ttl-seconds", "21600"};
    const char *disabled = getenv("AWS_EC2_METADATA_DISABLED");
    const char *endpoint = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    struct http_header header = {.name = "x-aws-ec2-metadata-token"};
    struct iotify_buffer url, token, role;
    enum credentials_outcome outcome = NONE;

    if (disabled && strcasecmp(disabled, "true") == 0)
        return NONE;
    if (!endpoint || !*endpoint)
        endpoint = INSTANCE_HOST;
    iotify_buffer_init(&url, 4096);
    iotify_buffer_init(&token, 4096);
    iotify_buffer_init(&role, 1024);
    iotify_buffer_format(&url, "%s/latest/api/token", endpoint);
    if (credentials_instance_text(chain, call, "PUT", iotify_buffer_text(&url), &life, &token)) {
        header.value = iotify_buffer_text(&token);
        iotify_buffer_reset(&url);
        iotify_buffer_format(&url, "%s%s", endpoint, path);
        if (credentials_instance_text(
                chain, call, "GET", iotify_buffer_text(&url), &header, &role)) {
            iotify_buffer_string(&url, iotify_buffer_text(&role));
            outcome = credentials_ask(chain, call, iotify_buffer_text(&url), &header,
                "the instance's metadata service", out);
        }
    }
    iotify_buffer_clear(&url);
    iotify_buffer_wipe(&token);
    iotify_buffer_clear(&role);
    return outcome;
}

/* ------------------------------------------------------------------ the chain */

static enum credentials_outcome credentials_walk(
    struct credentials_chain *chain, struct iotify_call *call, struct credentials *out)
{
    const char *profile = profile_name(chain->profile);
    const char *environment = getenv("AWS_PROFILE");
    /* In a sandbox use its own key pair, so that real credentials are not sent to it. */
    bool sandbox = getenv("IOTIFY_SANDBOX_API_PORT") != NULL;
    bool named = chain->profile || (environment && *environment);
    enum credentials_outcome outcome = NONE;

    *out = (struct credentials){0};
    /* A profile that the job names takes precedence over the environment. */
    if (!chain->profile || sandbox)
        outcome = credentials_from_environment(chain, call, out);
    if (outcome == NONE && !chain->profile)
        outcome = credentials_from_web_identity(chain, call);
    if (outcome == NONE)
        outcome = credentials_from_files(chain, call, profile, named, out);
    if (outcome == NONE)
        outcome = credentials_from_container(chain, call, out);
    if (outcome == NONE)
        outcome = credentials_from_instance(chain, call, out);
    if (outcome == NONE)
        outcome = credentials_deny(chain, call,
            "no AWS credentials: not in the environment, the shared files (profile %s), a "
            "container or an instance; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or run: "
            "aws configure",
            profile);
    return outcome;
}

static bool credentials_usable(const struct credentials_chain *chain, const char *stale)
{
    if (!chain->known || (stale && strcmp(stale, chain->current.access_key) == 0))
        return false;
    return chain->current.expires == 0 ||
           chain->current.expires - REFRESH_BEFORE > (int64_t)time(NULL);
}

/* Due for a refresh, but not expired: used between two attempts to refresh. */
static bool credentials_still_valid(const struct credentials_chain *chain, const char *stale)
{
    if (!chain->known || (stale && strcmp(stale, chain->current.access_key) == 0))
        return false;
    return chain->current.expires > (int64_t)time(NULL);
}

/* Search the chain again, unless that was done in the last REFRESH_PAUSE seconds. Lock held. */
static enum iotify_result credentials_refresh(
    struct credentials_chain *chain, struct iotify_call *call, const char *stale)
{
    bool recent = chain->asked && (int64_t)time(NULL) - chain->asked < REFRESH_PAUSE;
    struct credentials fresh;
    enum credentials_outcome outcome = FAILED;

    if (recent && credentials_still_valid(chain, stale))
        return IOTIFY_RESULT_OK;
    if (recent && *chain->failure)
        return call->host->fail(call, IOTIFY_RESULT_DENIED, "NoCredentials", "%s", chain->failure);
    chain->asked = (int64_t)time(NULL);
    chain->failure[0] = '\0';
    outcome = credentials_walk(chain, call, &fresh);
    if (outcome == FOUND) {
        chain->current = fresh;
        chain->known = true;
    }
    explicit_bzero(&fresh, sizeof(fresh));
    return outcome == FOUND || credentials_still_valid(chain, stale) ? IOTIFY_RESULT_OK
                                                                     : IOTIFY_RESULT_DENIED;
}

enum iotify_result credentials_get(struct credentials_chain *chain, struct iotify_call *call,
    const char *stale, struct credentials *out)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    pthread_mutex_lock(&chain->mutex);
    if (!credentials_usable(chain, stale))
        result = credentials_refresh(chain, call, stale);
    if (result == IOTIFY_RESULT_OK)
        *out = chain->current;
    pthread_mutex_unlock(&chain->mutex);
    return result;
}
