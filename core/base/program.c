/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/program.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

const char *program_folder(struct arena *arena)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash;

    path[length > 0 ? length : 0] = '\0';
    slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return arena_string(arena, path);
}
