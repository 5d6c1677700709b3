/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/identity.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sandbox/request.h"
#include "sandbox/row.h"

static char *identity_format_new(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *identity_format_new(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    return text;
}

char *identity_arn(const struct request *request, const char *kind, const char *name)
{
    return identity_format_new("arn:aws:iot:%s:" ACCOUNT ":%s/%s", request->region, kind, name);
}

char *identity_random(void)
{
    unsigned char b[16];

    RAND_bytes(b, sizeof(b));
    return identity_format_new("%02x%02x%02x%02x-%02x%02x-4%x%02x-a%x%02x-%02x%02x%02x%02x%02x%02x",
        b[0], b[1], b[2], b[3], b[4], b[5], b[6] & 15, b[7], b[8] & 15, b[9], b[10], b[11], b[12],
        b[13], b[14], b[15]);
}

int64_t identity_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

char *identity_number_text(int64_t number)
{
    return identity_format_new("%lld", (long long)number);
}

char *identity_now_text(void)
{
    return identity_number_text(identity_now_ms());
}

json_t *identity_time_json(const json_t *row, const char *column)
{
    return json_real((double)row_integer(row, column) / 1000);
}
