/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzzer offers: libFuzzer calls it, or replay.c does. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
