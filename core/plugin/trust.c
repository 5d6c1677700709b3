/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plugin/trust.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * True for the private group that Debian creates for each user: the user's primary group, without
 * other members.
 */
static bool trust_private_group(uid_t owner, gid_t group)
{
    const struct passwd *user = getpwuid(owner);
    const struct group *members;
    char name[256];

    if (!user || user->pw_gid != group || strlen(user->pw_name) >= sizeof(name))
        return false;
    memcpy(name, user->pw_name, strlen(user->pw_name) + 1);
    members = getgrgid(group);
    if (!members)
        return false;
    for (char **member = members->gr_mem; *member; member++)
        if (strcmp(*member, name) != 0)
            return false;
    return true;
}

static const char *trust_check_one(struct arena *arena, const char *path, bool folder)
{
    struct stat about;

    if (lstat(path, &about) != 0)
        return arena_format(arena, "cannot check %s: %s", path, strerror(errno));
    if (!folder && !S_ISREG(about.st_mode))
        return arena_format(arena, "%s is not a regular file", path);
    if (about.st_uid != 0 && about.st_uid != geteuid())
        return arena_format(arena,
            "%s belongs to user %ld, neither to root nor to you; chown it or move it", path,
            (long)about.st_uid);
    if (folder && about.st_uid == 0 && (about.st_mode & S_ISVTX))
        return NULL;
    if (about.st_mode & S_IWOTH)
        return arena_format(arena, "%s can be changed by everybody; run: chmod o-w %s", path, path);
    if ((about.st_mode & S_IWGRP) && !trust_private_group(about.st_uid, about.st_gid))
        return arena_format(arena, "%s can be changed by its group; run: chmod g-w %s", path, path);
    return NULL;
}

const char *trust_check(struct arena *arena, const char *path)
{
    char *part = arena_string(arena, path);
    const char *refused = trust_check_one(arena, path, false);
    char *slash;

    while (!refused && (slash = strrchr(part, '/'))) {
        if (slash == part)
            return trust_check_one(arena, "/", true);
        *slash = '\0';
        refused = trust_check_one(arena, part, true);
    }
    return refused;
}
