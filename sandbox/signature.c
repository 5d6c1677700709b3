/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/signature.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugins/shared/aws/sigv4.h"
#include "sandbox/request.h"

#define ALGORITHM "AWS4-HMAC-SHA256 "
/* AWS's tolerance for clock skew, in seconds. */
#define SKEW_MAX 300
#define SIGNED_MAX 32

struct signature_authorization {
    char access_key[160], date[16], region[64], service[32], terminator[16];
    char signed_headers[1024], signature[128];
};

/* Copies the text after `name`, up to a comma or space. */
static bool signature_take(const char *text, const char *name, char *out, size_t size)
{
    const char *at = strstr(text, name);
    size_t length;

    if (!at)
        return false;
    at += strlen(name);
    length = strcspn(at, ", ");
    if (length == 0 || length >= size)
        return false;
    memcpy(out, at, length);
    out[length] = '\0';
    return true;
}

static bool signature_take_part(const char **from, char *out, size_t size)
{
    size_t length = strcspn(*from, "/");

    if (length == 0 || length >= size)
        return false;
    memcpy(out, *from, length);
    out[length] = '\0';
    *from += length + ((*from)[length] == '/');
    return true;
}

static bool signature_parse(const char *header, struct signature_authorization *out)
{
    char credential[320];
    const char *rest = credential;

    return strncmp(header, ALGORITHM, strlen(ALGORITHM)) == 0 &&
           signature_take(header, "Credential=", credential, sizeof(credential)) &&
           signature_take(
               header, "SignedHeaders=", out->signed_headers, sizeof(out->signed_headers)) &&
           signature_take(header, "Signature=", out->signature, sizeof(out->signature)) &&
           signature_take_part(&rest, out->access_key, sizeof(out->access_key)) &&
           signature_take_part(&rest, out->date, sizeof(out->date)) &&
           signature_take_part(&rest, out->region, sizeof(out->region)) &&
           signature_take_part(&rest, out->service, sizeof(out->service)) &&
           signature_take_part(&rest, out->terminator, sizeof(out->terminator)) &&
           strcmp(out->terminator, "aws4_request") == 0 &&
           !out->region[strspn(out->region, "abcdefghijklmnopqrstuvwxyz0123456789-")];
}

static void signature_format_time(int64_t moment, char text[20])
{
    time_t seconds = (time_t)moment;
    struct tm parts;

    gmtime_r(&seconds, &parts);
    strftime(text, 20, "%Y%m%dT%H%M%SZ", &parts);
}

static void signature_refuse(struct signature_verdict *verdict, const char *error,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

static void signature_refuse(
    struct signature_verdict *verdict, const char *error, const char *format, ...)
{
    va_list arguments;

    verdict->error = error;
    va_start(arguments, format);
    vsnprintf(verdict->message, sizeof(verdict->message), format, arguments);
    va_end(arguments);
}

/* STS has its own codes for the same errors. */
static const char *signature_error_name(const struct signature_verdict *verdict, const char *name)
{
    static const char *const names[][2] = {
        {"UnrecognizedClientException", "InvalidClientTokenId"},
        {"InvalidSignatureException", "SignatureDoesNotMatch"},
        {"MissingAuthenticationTokenException", "MissingAuthenticationToken"},
        {"IncompleteSignatureException", "IncompleteSignature"},
    };

    for (size_t i = 0; strcmp(verdict->service, "sts") == 0 && i < 4; i++)
        if (strcmp(names[i][0], name) == 0)
            return names[i][1];
    return name;
}

/* The timestamp must be within five minutes of the clock, and on the day of the scope. */
static void signature_check_clock(const struct signature_authorization *authorization,
    const char *timestamp, struct signature_verdict *verdict)
{
    const char *error = signature_error_name(verdict, "InvalidSignatureException");
    struct tm parts = {0};
    const char *end = strptime(timestamp, "%Y%m%dT%H%M%SZ", &parts);
    int64_t now = (int64_t)time(NULL), skew;
    char current[20], limit[20];

    if (!end || *end || strncmp(timestamp, authorization->date, 8) != 0 ||
        strlen(authorization->date) != 8) {
        signature_refuse(
            verdict, error, "Date in Credential scope does not match X-Amz-Date or is not a date");
        return;
    }
    skew = (int64_t)timegm(&parts) - now;
    signature_format_time(now, current);
    if (skew < -SKEW_MAX) {
        signature_format_time(now - SKEW_MAX, limit);
        signature_refuse(verdict, error,
            "Signature expired: %s is now earlier than %s (%s - 5 min.)", timestamp, limit,
            current);
    } else if (skew > SKEW_MAX) {
        signature_format_time(now + SKEW_MAX, limit);
        signature_refuse(verdict, error,
            "Signature not yet current: %s is still later than %s (%s + 5 min.)", timestamp, limit,
            current);
    }
}

/* Temporary keys need a session token, and the right one if it is known. */
static bool signature_token_fits(
    const struct signature_request *request, const struct signature_keys *keys)
{
    const char *token = request->header(request->context, "x-amz-security-token");

    if (keys->token)
        return token && strcmp(token, keys->token) == 0;
    return token || strncmp(keys->access_key, "ASIA", 4) != 0;
}

static bool signature_compute(const struct signature_request *request,
    const struct signature_authorization *authorization, const char *timestamp,
    const char *secret_key, char signature[SIGV4_SIGNATURE_SIZE])
{
    struct sigv4_header headers[SIGNED_MAX];
    char names[sizeof(authorization->signed_headers)];
    struct sigv4_request to_sign;
    struct iotify_buffer list;
    size_t count = 0;
    bool good, has_host = false, has_date = false;
    char *rest = NULL;

    memcpy(names, authorization->signed_headers, sizeof(names));
    for (char *name = strtok_r(names, ";", &rest); name; name = strtok_r(NULL, ";", &rest)) {
        const char *value = request->header(request->context, name);

        if (count == SIGNED_MAX)
            return false;
        has_host = has_host || strcmp(name, "host") == 0;
        has_date = has_date || strcmp(name, "x-amz-date") == 0;
        headers[count++] = (struct sigv4_header){name, value ? value : ""};
    }
    if (!has_host || !has_date)
        return false;
    to_sign = (struct sigv4_request){request->method, request->path, request->query, headers, count,
        request->body, request->body_size, timestamp, authorization->region,
        authorization->service};
    iotify_buffer_init(&list, 4096);
    good = sigv4_sign(&to_sign, secret_key, signature, &list);
    iotify_buffer_clear(&list);
    return good;
}

void signature_verify(const struct signature_request *request, const struct signature_keys *keys,
    struct signature_verdict *verdict)
{
    const char *header = request->header(request->context, "authorization");
    const char *timestamp = request->header(request->context, "x-amz-date");
    char expected[SIGV4_SIGNATURE_SIZE];
    struct signature_authorization authorization;

    *verdict = (struct signature_verdict){0};
    if (!header) {
        signature_refuse(
            verdict, "MissingAuthenticationTokenException", "Missing Authentication Token");
        return;
    }
    if (!signature_parse(header, &authorization) || !timestamp) {
        signature_refuse(verdict, "IncompleteSignatureException",
            "Authorization header requires Credential, SignedHeaders and Signature parameters and "
            "an X-Amz-Date header");
        return;
    }
    snprintf(verdict->region, sizeof(verdict->region), "%s", authorization.region);
    snprintf(verdict->service, sizeof(verdict->service), "%s", authorization.service);
    if (strcmp(authorization.access_key, keys->access_key) != 0 ||
        !signature_token_fits(request, keys)) {
        signature_refuse(verdict, signature_error_name(verdict, "UnrecognizedClientException"),
            "The security token included in the request is invalid.");
        return;
    }
    signature_check_clock(&authorization, timestamp, verdict);
    if (verdict->error)
        return;
    if (!signature_compute(request, &authorization, timestamp, keys->secret_key, expected) ||
        strlen(authorization.signature) != strlen(expected) ||
        CRYPTO_memcmp(authorization.signature, expected, strlen(expected)) != 0)
        signature_refuse(verdict, signature_error_name(verdict, "InvalidSignatureException"),
            "The request signature we calculated does not match the signature you provided. Check "
            "your AWS Secret Access Key and signing method. Consult the service documentation for "
            "details.");
}
