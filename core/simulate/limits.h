/* SPDX-License-Identifier: Apache-2.0 */
/* What the system lets one process have: descriptors, and ports to connect from. */
#ifndef CORE_SIMULATE_LIMITS_H
#define CORE_SIMULATE_LIMITS_H

#include <stdint.h>

/* Take as many descriptors as the system allows without asking. Process-wide. */
void limits_raise(void);
/*
 * Warn in the log, with what to set, when `sessions` connections at once are more than this system
 * lets one process have.
 */
void limits_check(const char *where, int64_t sessions);

#endif
