/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report/quantity.h"

#include <math.h>
#include <stdio.h>

/* Decimals of three significant digits. */
static int quantity_decimals(double value)
{
    /* 9.995 is 10.0, not 10.00. */
    return fabs(value) < 9.995 ? 2 : fabs(value) < 99.95 ? 1 : 0;
}

void quantity_time(double seconds, char text[QUANTITY_SIZE])
{
    static const struct {
        double below, scale;
        const char *unit;
    } units[] = {{0.9995e-3, 1e6, "µs"}, {0.9995, 1e3, "ms"}, {INFINITY, 1, "s"}};
    size_t at = 0;

    if (isnan(seconds)) {
        snprintf(text, QUANTITY_SIZE, "-");
        return;
    }
    if (seconds == 0) {
        snprintf(text, QUANTITY_SIZE, "0 ms");
        return;
    }
    while (fabs(seconds) >= units[at].below && at + 1 < sizeof(units) / sizeof(units[0]))
        at++;
    seconds *= units[at].scale;
    snprintf(text, QUANTITY_SIZE, "%.*f %s", quantity_decimals(seconds), seconds, units[at].unit);
}

void quantity_bytes(double bytes, char text[QUANTITY_SIZE])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t at = 0;

    while (bytes >= 999.5 && at + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1000;
        at++;
    }
    snprintf(text, QUANTITY_SIZE, "%.*f %s", at ? quantity_decimals(bytes) : 0, bytes, units[at]);
}

void quantity_rate(double per_second, char text[QUANTITY_SIZE])
{
    if (per_second > 0 && per_second < 0.01)
        snprintf(text, QUANTITY_SIZE, "%.2g/s", per_second);
    else
        snprintf(text, QUANTITY_SIZE, "%.*f/s", per_second == 0 ? 0 : quantity_decimals(per_second),
            per_second);
}

void quantity_share(double part, double whole, char text[QUANTITY_SIZE])
{
    double share = whole > 0 ? 100 * part / whole : 0;

    text[0] = '\0';
    if (whole <= 0)
        return;
    /* All and nothing are said of what is exactly that. */
    if (part == whole || part == 0)
        snprintf(text, QUANTITY_SIZE, " (%.0f%%)", share);
    else if (share > 99.9 && share < 100)
        snprintf(text, QUANTITY_SIZE, " (>99.9%%)");
    else if (share < 0.01)
        snprintf(text, QUANTITY_SIZE, " (<0.01%%)");
    else
        snprintf(text, QUANTITY_SIZE, " (%.*f%%)", quantity_decimals(share), share);
}
