/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, as users write them in job files. All functions are pure. */
#ifndef CORE_BASE_VALUE_H
#define CORE_BASE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include <iotify/buffer.h>

/* The limit for the number of devices and for their indexes. */
#define VALUE_DEVICES_MAX 10000000

/* Each parser returns false when the text has another form or exceeds the range of the type. */
bool value_parse_integer(const char *text, int64_t *out);
/* 250ms, 1.5s, 5m, 2h, 1d, 100us, 10ns or 0; the result is in nanoseconds, not negative. */
bool value_parse_duration(const char *text, int64_t *out);
/*
 * 200/s, 30/m, 10/h, or a bare number per second; the result is per second, not negative, finite.
 */
bool value_parse_rate(const char *text, double *out);
/* 128KB, 4KiB, 1MiB, 1GB, or a bare number of bytes; the result is in bytes, not negative. */
bool value_parse_size(const char *text, int64_t *out);
/* 30% or 0.3; the result is from 0 to 1. */
bool value_parse_share(const char *text, double *out);
/* `true` and `false` only. */
bool value_parse_boolean(const char *text, bool *out);

/*
 * Append the value to `out`: a duration in the largest unit that divides it, a rate per second and
 * a share in per cent, both with 15 significant digits.
 */
void value_format_duration(int64_t nanoseconds, struct iotify_buffer *out);
void value_format_rate(double rate, struct iotify_buffer *out);
void value_format_share(double share, struct iotify_buffer *out);

#endif
