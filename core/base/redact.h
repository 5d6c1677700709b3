/* SPDX-License-Identifier: Apache-2.0 */
/* Removes secrets from texts before they are shown. Pure, any thread. */
#ifndef CORE_BASE_REDACT_H
#define CORE_BASE_REDACT_H

/*
 * Replace PEM private keys by "[redacted]", in place. Cuts the text at a key without an END line.
 */
void redact_keys(char *text);

#endif
