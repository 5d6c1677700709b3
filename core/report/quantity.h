/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities as people read them, with three significant digits. Pure, any thread. */
#ifndef CORE_REPORT_QUANTITY_H
#define CORE_REPORT_QUANTITY_H

#define QUANTITY_SIZE 32

/* "31.2 ms", "412 µs", "4.10 s"; "-" for NaN. */
void quantity_time(double seconds, char text[QUANTITY_SIZE]);
/* "118 kB", by powers of 1,000. */
void quantity_bytes(double bytes, char text[QUANTITY_SIZE]);
/* "980/s", "0.52/s" */
void quantity_rate(double per_second, char text[QUANTITY_SIZE]);
/* " (26.6%)", with a space before it; "" when `whole` is 0. */
void quantity_share(double part, double whole, char text[QUANTITY_SIZE]);

#endif
