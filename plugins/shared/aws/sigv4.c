/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/shared/aws/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <iotify/text.h>

#define DIGEST_SIZE 32
#define CANONICAL_MAX (4 * 1024 * 1024)
#define PAIRS_MAX 256

bool sigv4_sha256(const void *data, size_t size, char digest[65])
{
    unsigned char bytes[DIGEST_SIZE];

    if (EVP_Digest(data ? data : "", size, bytes, NULL, EVP_sha256(), NULL) != 1)
        return false;
    iotify_hex_encode(bytes, sizeof(bytes), digest);
    return true;
}

static bool sigv4_is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

void sigv4_encode(const char *text, bool keep_slash, struct iotify_buffer *out)
{
    for (; *text; text++) {
        if (sigv4_is_unreserved(*text) || (keep_slash && *text == '/'))
            iotify_buffer_char(out, *text);
        else
            iotify_buffer_format(out, "%%%02X", (unsigned char)*text);
    }
}

/* ------------------------------------------------------------------ query */

/* Decode a received text and encode it in the canonical form. */
static void sigv4_recode(const char *text, size_t length, struct iotify_buffer *out)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if (c == '%' && i + 2 < length && iotify_hex_digit(text[i + 1]) >= 0 &&
            iotify_hex_digit(text[i + 2]) >= 0) {
            c = (char)(iotify_hex_digit(text[i + 1]) * 16 + iotify_hex_digit(text[i + 2]));
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (sigv4_is_unreserved(c))
            iotify_buffer_char(out, c);
        else
            iotify_buffer_format(out, "%%%02X", (unsigned char)c);
    }
}

static int sigv4_by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/*
 * Append the parameters sorted by name, then value. Pairs are stored as "name\x01value": the
 * separator sorts below every byte of an encoded name, so that names are compared first.
 */
static bool sigv4_canonical_query(const char *query, struct iotify_buffer *out)
{
    char *pairs[PAIRS_MAX];
    size_t count = 0;
    bool good = true;

    while (*query && good) {
        size_t length = strcspn(query, "&");
        const char *equals = memchr(query, '=', length);
        struct iotify_buffer pair;

        iotify_buffer_init(&pair, CANONICAL_MAX);
        sigv4_recode(query, equals ? (size_t)(equals - query) : length, &pair);
        iotify_buffer_char(&pair, '\1');
        if (equals)
            sigv4_recode(equals + 1, length - (size_t)(equals - query) - 1, &pair);
        good = !pair.failed && count < PAIRS_MAX;
        if (good && pair.size > 1)
            pairs[count++] = pair.data;
        else
            iotify_buffer_clear(&pair);
        query += length + (query[length] == '&');
    }
    qsort(pairs, count, sizeof(*pairs), sigv4_by_text);
    for (size_t i = 0; i < count; i++) {
        char *separator = strchr(pairs[i], '\1');

        *separator = '=';
        iotify_buffer_string(out, i ? "&" : "");
        iotify_buffer_string(out, pairs[i]);
        free(pairs[i]);
    }
    return good && !out->failed;
}

/* ------------------------------------------------------------------ headers */

static char sigv4_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static int sigv4_by_name(const void *a, const void *b)
{
    const char *x = (*(const struct sigv4_header *const *)a)->name;
    const char *y = (*(const struct sigv4_header *const *)b)->name;

    while (*x && sigv4_lower(*x) == sigv4_lower(*y)) {
        x++;
        y++;
    }
    return (unsigned char)sigv4_lower(*x) - (unsigned char)sigv4_lower(*y);
}

/* Append a value trimmed, with each run of blanks as one space. */
static void sigv4_append_value(const char *value, struct iotify_buffer *out)
{
    bool blank = false;

    while (*value == ' ' || *value == '\t')
        value++;
    for (; *value; value++) {
        if (*value == ' ' || *value == '\t') {
            blank = true;
            continue;
        }
        if (blank)
            iotify_buffer_char(out, ' ');
        blank = false;
        iotify_buffer_char(out, *value);
    }
}

static bool sigv4_canonical_headers(
    const struct sigv4_request *request, struct iotify_buffer *lines, struct iotify_buffer *names)
{
    const struct sigv4_header **sorted = calloc(request->header_count + 1, sizeof(*sorted));

    if (!sorted)
        return false;
    for (size_t i = 0; i < request->header_count; i++)
        sorted[i] = &request->headers[i];
    qsort(sorted, request->header_count, sizeof(*sorted), sigv4_by_name);
    for (size_t i = 0; i < request->header_count; i++) {
        if (i)
            iotify_buffer_char(names, ';');
        for (const char *c = sorted[i]->name; *c; c++) {
            iotify_buffer_char(lines, sigv4_lower(*c));
            iotify_buffer_char(names, sigv4_lower(*c));
        }
        iotify_buffer_char(lines, ':');
        sigv4_append_value(sorted[i]->value, lines);
        iotify_buffer_char(lines, '\n');
    }
    free(sorted);
    return !lines->failed && !names->failed;
}

/* ------------------------------------------------------------------ request and signature */

static bool sigv4_build_canonical(const struct sigv4_request *request, struct iotify_buffer *out,
    struct iotify_buffer *signed_headers)
{
    struct iotify_buffer lines;
    char digest[65];
    bool good;

    iotify_buffer_init(&lines, CANONICAL_MAX);
    iotify_buffer_format(out, "%s\n", request->method);
    sigv4_encode(*request->path ? request->path : "/", true, out);
    iotify_buffer_char(out, '\n');
    good = sigv4_canonical_query(request->query, out) &&
           sigv4_canonical_headers(request, &lines, signed_headers) &&
           sigv4_sha256(request->body, request->body_size, digest);
    if (good)
        iotify_buffer_format(out, "\n%s\n%s\n%s", iotify_buffer_text(&lines),
            iotify_buffer_text(signed_headers), digest);
    iotify_buffer_clear(&lines);
    return good && !out->failed;
}

bool sigv4_canonical(const struct sigv4_request *request, struct iotify_buffer *out)
{
    struct iotify_buffer names;
    bool good;

    iotify_buffer_init(&names, CANONICAL_MAX);
    good = sigv4_build_canonical(request, out, &names);
    iotify_buffer_clear(&names);
    return good;
}

static bool sigv4_hmac(
    const void *key, size_t key_size, const char *text, unsigned char out[DIGEST_SIZE])
{
    unsigned size = 0;

    return HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text, strlen(text), out,
               &size) != NULL &&
           size == DIGEST_SIZE;
}

static bool sigv4_derive_key(
    const struct sigv4_request *request, const char *secret, unsigned char key[DIGEST_SIZE])
{
    struct iotify_buffer first;
    char date[9] = "";
    bool good;

    memcpy(date, request->timestamp, strnlen(request->timestamp, 8));
    iotify_buffer_init(&first, 4096);
    iotify_buffer_format(&first, "AWS4%s", secret);
    good = !first.failed && sigv4_hmac(first.data, first.size, date, key) &&
           sigv4_hmac(key, DIGEST_SIZE, request->region, key) &&
           sigv4_hmac(key, DIGEST_SIZE, request->service, key) &&
           sigv4_hmac(key, DIGEST_SIZE, "aws4_request", key);
    iotify_buffer_wipe(&first);
    return good;
}

bool sigv4_sign(const struct sigv4_request *request, const char *secret_key,
    char signature[SIGV4_SIGNATURE_SIZE], struct iotify_buffer *signed_headers)
{
    struct iotify_buffer text, to_sign;
    unsigned char key[DIGEST_SIZE], mac[DIGEST_SIZE];
    char digest[65];
    bool good;

    iotify_buffer_init(&text, CANONICAL_MAX);
    iotify_buffer_init(&to_sign, 4096);
    good = sigv4_build_canonical(request, &text, signed_headers) &&
           sigv4_sha256(text.data, text.size, digest) &&
           iotify_buffer_format(&to_sign, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s",
               request->timestamp, request->timestamp, request->region, request->service, digest) &&
           sigv4_derive_key(request, secret_key, key) &&
           sigv4_hmac(key, sizeof(key), iotify_buffer_text(&to_sign), mac);
    if (good)
        iotify_hex_encode(mac, sizeof(mac), signature);
    explicit_bzero(key, sizeof(key));
    iotify_buffer_clear(&text);
    iotify_buffer_clear(&to_sign);
    return good;
}
