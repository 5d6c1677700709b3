/* SPDX-License-Identifier: Apache-2.0 */
#include "core/script/source_map.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"

struct source_map {
    const struct source *source;
    size_t count;
    const uint32_t *offsets; /* offset in the source for each byte of the text */
};

static size_t source_map_character_size(const char *at)
{
    size_t size = 1;

    while (((unsigned char)at[size] & 0xc0) == 0x80)
        size++;
    return size;
}

/* The start of a scalar, after an anchor or a tag. */
static const char *source_map_scalar_start(const struct node *node)
{
    const char *at = text_line(node->source->text, node->location.line);

    for (int column = 1; column < node->location.column && *at && *at != '\n'; column++)
        at += source_map_character_size(at);
    while (*at == '&' || *at == '!') {
        at += strcspn(at, " \t\r\n");
        at += strspn(at, " \t\r\n");
    }
    return at;
}

static bool source_map_is_blank(char character)
{
    return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

/* The length of an escape in double quotes, from its backslash. */
static size_t source_map_escape_size(const char *at)
{
    size_t digits = at[1] == 'x' ? 2 : at[1] == 'u' ? 4 : at[1] == 'U' ? 8 : 0;

    return at[1] ? 2 + digits : 1;
}

/* True when the escape at `at` stands for this blank. */
static bool source_map_is_escaped_blank(const char *at, char blank)
{
    static const char letters[] = "ntr ", blanks[] = "\n\t\r ";
    char digits[9] = "";
    const char *letter;

    if (at[0] != '\\' || !at[1])
        return false;
    letter = strchr(letters, at[1]);
    if (letter)
        return blank == blanks[letter - letters];
    if (source_map_escape_size(at) == 2 ||
        strnlen(at, source_map_escape_size(at)) < source_map_escape_size(at))
        return false;
    memcpy(digits, at + 2, source_map_escape_size(at) - 2);
    return strtoul(digits, NULL, 16) == (unsigned char)blank;
}

/* Walk through the text and its source in parallel. False when they differ. */
static bool source_map_align(
    const char *text, const struct source *source, const char *at, uint32_t *offsets)
{
    char quote = *at == '"' || *at == '\'' ? *at : '\0';
    size_t i = 0;

    at += quote != '\0';
    while (text[i]) {
        const char *next = at + strspn(at, " \t\r\n");
        size_t size = source_map_character_size(text + i), step = size;

        /* A line that a backslash continues. */
        while (quote == '"' && next[0] == '\\' && (next[1] == '\n' || next[1] == '\r'))
            next += 1 + strspn(next + 1, " \t\r\n");
        if (source_map_is_blank(text[i]) &&
            !(quote == '"' && source_map_is_escaped_blank(next, text[i]))) {
            /* A blank that replaces a line break and its indent. */
            offsets[i++] = (uint32_t)(at - source->text);
            at += *at == text[i - 1];
            continue;
        }
        at = next;
        if (quote == '"' && *at == '\\')
            step = source_map_escape_size(at);
        else if (strncmp(at, text + i, size) != 0)
            return false;
        else if (quote == '\'' && *at == '\'')
            step = 2;
        for (size_t end = i + size; i < end; i++)
            offsets[i] = (uint32_t)(at - source->text);
        at += step;
    }
    return true;
}

const struct source_map *source_map_new(struct arena *arena, const struct node *node)
{
    const char *start = source_map_scalar_start(node);
    size_t count = strlen(node->text);
    struct source_map *source_map;
    uint32_t *offsets;

    if (*start == '|' || count == 0)
        return NULL;
    if (*start == '>')
        start += strcspn(start, "\n");
    else if (strncmp(start + !node->plain, node->text, count) == 0)
        return NULL;
    offsets = arena_array(arena, count, sizeof(*offsets));
    if (!source_map_align(node->text, node->source, start, offsets))
        return NULL;
    source_map = arena_alloc(arena, sizeof(*source_map));
    *source_map = (struct source_map){node->source, count, offsets};
    return source_map;
}

struct location source_map_at(const struct source_map *source_map, size_t offset)
{
    const struct source *source = source_map->source;
    const char *end =
        source->text +
        source_map->offsets[offset < source_map->count ? offset : source_map->count - 1];
    struct location location = {source->name, 1, 1};
    const char *at = source->text, *next;

    while ((next = memchr(at, '\n', (size_t)(end - at)))) {
        location.line++;
        at = next + 1;
    }
    location.column = text_column(at, end);
    return location;
}

const char *source_map_line(const struct source_map *source_map, int line, size_t *length)
{
    const char *at = text_line(source_map->source->text, line);

    *length = strcspn(at, "\r\n");
    return at;
}
