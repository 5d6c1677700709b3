/* SPDX-License-Identifier: Apache-2.0 */
#include "core/settings/binder.h"

#include <stdlib.h>
#include <string.h>

static bool binder_starts_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static size_t binder_name_length(const char *text)
{
    size_t length = 0;

    if (!binder_starts_name(*text))
        return 0;
    while (binder_starts_name(text[length]) || (text[length] >= '0' && text[length] <= '9'))
        length++;
    return length;
}

/* `at` is at `${`: the length of `${NAME}` or `${NAME:-default}`, or 0 when it is neither. */
static size_t binder_reference_length(const char *at)
{
    size_t length = binder_name_length(at + 2);
    const char *end;

    if (length == 0)
        return 0;
    if (at[2 + length] == '}')
        return length + 3;
    if (at[2 + length] != ':' || at[3 + length] != '-')
        return 0;
    end = strchr(at, '}');
    return end ? (size_t)(end - at) + 1 : 0;
}

static bool binder_expand(struct binder *binder, const struct node *node, const char *at,
    size_t length, struct iotify_buffer *out)
{
    size_t name_size = binder_name_length(at + 2);
    const char *name = arena_copy(binder->arena, at + 2, name_size);
    const char *value = getenv(name);
    bool has_default = at[2 + name_size] == ':';

    if (value && (*value || !has_default)) {
        iotify_buffer_string(out, value);
        return true;
    }
    if (has_default) {
        iotify_buffer_append(out, at + name_size + 4, length - name_size - 5);
        return true;
    }
    diagnostics_add(binder->diagnostics, node->location,
        "the environment variable %s is not set; set it or write ${%s:-default}", name, name);
    return false;
}

const char *binder_text(struct binder *binder, const struct node *node)
{
    struct iotify_buffer out;
    const char *at = node->text, *result = NULL;
    bool good = true;

    if (!binder->environment || !strstr(at, "${"))
        return node->text;
    iotify_buffer_init(&out, 1 << 20);
    while (*at && good) {
        size_t length = at[0] == '$' && at[1] == '{' ? binder_reference_length(at) : 0;

        if (strncmp(at, "$${", 3) == 0) {
            iotify_buffer_string(&out, "${");
            at += 3;
        } else if (length) {
            good = binder_expand(binder, node, at, length, &out);
            at += length;
        } else {
            iotify_buffer_char(&out, *at++);
        }
    }
    if (good)
        result = arena_copy(binder->arena, iotify_buffer_text(&out), out.size);
    iotify_buffer_clear(&out);
    return result;
}

const char *binder_path(struct binder *binder, const char *path)
{
    /* A value with line breaks is the content itself, such as a certificate, not a file name. */
    if (*path == '/' || !*path || !*binder->directory || strchr(path, '\n'))
        return path;
    return arena_format(binder->arena, "%s/%s", binder->directory, path);
}
