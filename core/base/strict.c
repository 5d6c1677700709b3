/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/strict.h"

#include <stdlib.h>
#include <string.h>

bool strict_wanted(void)
{
    const char *value = getenv(STRICT_VARIABLE);

    return value && strcmp(value, STRICT_VALUE) == 0;
}
