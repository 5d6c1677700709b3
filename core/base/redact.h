/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets removed from texts that are shown. Pure, any thread. */
#ifndef CORE_BASE_REDACT_H
#define CORE_BASE_REDACT_H

/* Replace private keys in PEM by a mark, in place. */
void redact_keys(char *text);

#endif
