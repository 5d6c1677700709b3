/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/shared/aws/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 32768

const char *profile_name(const char *given)
{
    const char *environment = getenv("AWS_PROFILE");

    if (given && *given)
        return given;
    return environment && *environment ? environment : "default";
}

static FILE *profile_open_file(enum profile_file file)
{
    const char *named =
        getenv(file == PROFILE_CONFIG ? "AWS_CONFIG_FILE" : "AWS_SHARED_CREDENTIALS_FILE");
    const char *home = getenv("HOME");
    struct iotify_buffer path;
    FILE *stream = NULL;

    iotify_buffer_init(&path, 4096);
    if (named && *named)
        iotify_buffer_string(&path, named);
    else if (home)
        iotify_buffer_format(
            &path, "%s/.aws/%s", home, file == PROFILE_CONFIG ? "config" : "credentials");
    if (path.size && !path.failed)
        stream = fopen(iotify_buffer_text(&path), "re");
    iotify_buffer_clear(&path);
    return stream;
}

static char *profile_trim(char *text)
{
    size_t length;

    text += strspn(text, " \t\r\n");
    length = strlen(text);
    while (length && strchr(" \t\r\n", text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* True when this `[…]` line begins the section of the profile. Changes the line. */
static bool profile_section_is(char *line, enum profile_file file, const char *profile)
{
    char *end = strchr(line, ']'), *name;

    if (!end)
        return false;
    *end = '\0';
    name = profile_trim(line + 1);
    if (strcmp(name, profile) == 0)
        return file == PROFILE_CREDENTIALS || strcmp(profile, "default") == 0;
    if (file != PROFILE_CONFIG || strncmp(name, "profile", 7) != 0 || !strchr(" \t", name[7]) ||
        !name[7])
        return false;
    return strcmp(profile_trim(name + 7), profile) == 0;
}

/* Search a file for a key of the profile; with `key` NULL, for the profile itself. */
static bool profile_scan(
    enum profile_file file, const char *profile, const char *key, struct iotify_buffer *value)
{
    FILE *stream = profile_open_file(file);
    char line[LINE_BYTES];
    bool inside = false, found = false;

    while (stream && !found && fgets(line, sizeof(line), stream)) {
        bool nested = *line == ' ' || *line == '\t';
        char *text = profile_trim(line), *equals;

        if (*text == '#' || *text == ';' || !*text)
            continue;
        if (*text == '[') {
            inside = profile_section_is(text, file, profile);
            found = inside && !key;
            continue;
        }
        equals = strchr(text, '=');
        if (!inside || !key || !equals || nested)
            continue;
        *equals = '\0';
        if (strcmp(profile_trim(text), key) == 0) {
            iotify_buffer_reset(value);
            iotify_buffer_string(value, profile_trim(equals + 1));
            found = true;
        }
    }
    explicit_bzero(line, sizeof(line));
    if (stream)
        fclose(stream);
    return found;
}

bool profile_get(
    enum profile_file file, const char *profile, const char *key, struct iotify_buffer *value)
{
    return profile_scan(file, profile, key, value);
}

bool profile_exists(const char *profile)
{
    return profile_scan(PROFILE_CREDENTIALS, profile, NULL, NULL) ||
           profile_scan(PROFILE_CONFIG, profile, NULL, NULL);
}
