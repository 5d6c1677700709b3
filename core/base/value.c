/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest number that is read: 20 digits, or 0 and 18 decimals. */
#define NUMBER_MAX 24

struct value_unit {
    const char *name;
    int64_t factor;
};

static const struct value_unit duration_units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000},
    {"s", 1000000000}, {"m", INT64_C(60000000000)}, {"h", INT64_C(3600000000000)},
    {"d", INT64_C(86400000000000)}, {NULL, 0}};

static const struct value_unit size_units[] = {{"", 1}, {"B", 1}, {"KB", 1000}, {"KiB", 1024},
    {"MB", 1000000}, {"MiB", 1048576}, {"GB", 1000000000}, {"GiB", 1073741824}, {NULL, 0}};

static const struct value_unit rate_units[] = {
    {"", 1}, {"/s", 1}, {"/m", 60}, {"/h", 3600}, {NULL, 0}};

bool value_parse_integer(const char *text, int64_t *out)
{
    const char *digits = *text == '-' ? text + 1 : text;
    char *end;
    long long value;

    if (*digits < '0' || *digits > '9')
        return false;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno || *end)
        return false;
    *out = value;
    return true;
}

/* Parse a decimal number without sign or exponent, followed by one of `units`. */
static bool value_parse_number(const char *text, const struct value_unit *units, double *number,
    const struct value_unit **unit)
{
    size_t length = strspn(text, "0123456789.");
    char *end;

    if (length == 0 || length > NUMBER_MAX || *text == '.' || text[length - 1] == '.')
        return false;
    errno = 0;
    *number = strtod(text, &end);
    if (errno || end != text + length || !isfinite(*number))
        return false;
    for (*unit = units; (*unit)->name; (*unit)++)
        if (strcmp((*unit)->name, end) == 0)
            return true;
    return false;
}

static bool value_parse_scaled(const char *text, const struct value_unit *units, int64_t *out)
{
    const struct value_unit *unit;
    double number;

    if (!value_parse_number(text, units, &number, &unit))
        return false;
    number *= (double)unit->factor;
    if (number >= 9.0e18)
        return false;
    *out = (int64_t)llround(number);
    return true;
}

bool value_parse_duration(const char *text, int64_t *out)
{
    if (strcmp(text, "0") == 0) {
        *out = 0;
        return true;
    }
    return value_parse_scaled(text, duration_units, out);
}

bool value_parse_size(const char *text, int64_t *out)
{
    return value_parse_scaled(text, size_units, out);
}

bool value_parse_rate(const char *text, double *out)
{
    const struct value_unit *unit;
    double number;

    if (!value_parse_number(text, rate_units, &number, &unit))
        return false;
    *out = number / (double)unit->factor;
    return true;
}

bool value_parse_share(const char *text, double *out)
{
    static const struct value_unit units[] = {{"", 1}, {"%", 100}, {NULL, 0}};
    const struct value_unit *unit;
    double number;

    if (!value_parse_number(text, units, &number, &unit))
        return false;
    *out = number / (double)unit->factor;
    return *out <= 1;
}

bool value_parse_boolean(const char *text, bool *out)
{
    *out = strcmp(text, "true") == 0;
    return *out || strcmp(text, "false") == 0;
}

void value_format_duration(int64_t nanoseconds, struct iotify_buffer *out)
{
    const struct value_unit *unit = duration_units, *best = duration_units;

    if (nanoseconds == 0) {
        iotify_buffer_string(out, "0s");
        return;
    }
    for (; unit->name; unit++)
        if (nanoseconds % unit->factor == 0)
            best = unit;
    iotify_buffer_format(out, "%lld%s", (long long)(nanoseconds / best->factor), best->name);
}

/* Digits that value_parse_number() reads: no exponent. */
static void value_format_number(double number, struct iotify_buffer *out)
{
    char text[NUMBER_MAX + 1];
    size_t length;

    if (number == 0 || (number >= 1e-4 && number < 1e15)) {
        iotify_buffer_format(out, "%.15g", number);
        return;
    }
    snprintf(text, sizeof(text), number < 1 ? "%.18f" : "%.0f", number);
    length = strlen(text);
    while (number < 1 && text[length - 1] == '0')
        length--;
    iotify_buffer_append(out, text, length);
}

void value_format_rate(double rate, struct iotify_buffer *out)
{
    value_format_number(rate, out);
    iotify_buffer_string(out, "/s");
}

void value_format_share(double share, struct iotify_buffer *out)
{
    value_format_number(share * 100, out);
    iotify_buffer_char(out, '%');
}
