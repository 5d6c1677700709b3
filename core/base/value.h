/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, as users write them in job files. All functions are pure. */
#ifndef CORE_BASE_VALUE_H
#define CORE_BASE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include <iotify/buffer.h>

/* More devices, and indexes of devices, than anyone has. */
#define VALUE_DEVICES_MAX 10000000

/* Each: false when the text is not of the form, or out of the range of the type. */
bool value_parse_integer(const char *text, int64_t *out);
/* 250ms, 1.5s, 5m, 2h, 100us, 10ns, and 0; nanoseconds, not negative. */
bool value_parse_duration(const char *text, int64_t *out);
/* 200/s, 30/m, 10/h or a bare number for a second; not negative, finite. */
bool value_parse_rate(const char *text, double *out);
/* 128KB, 4KiB, 1MiB, 1GB or a bare number of bytes; not negative. */
bool value_parse_size(const char *text, int64_t *out);
/* 30% or 0.3; from 0 to 1. */
bool value_parse_share(const char *text, double *out);
/* `true` and `false` only. */
bool value_parse_boolean(const char *text, bool *out);

/* Back to the shortest form that reads as the same value. */
void value_format_duration(int64_t nanoseconds, struct iotify_buffer *out);
void value_format_rate(double rate, struct iotify_buffer *out);
void value_format_share(double share, struct iotify_buffer *out);

#endif
