/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/prefetch.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 64   /* of a model; further keys are ignored */
#define FIELDS_MAX 64 /* of a row */

/* What identifies a client: its number, and the values of its data row. */
struct prefetch_fields {
    struct {
        const char *name, *value;
    } items[FIELDS_MAX];
    size_t count;
};

struct prefetch_model {
    const char *keys[KEYS_MAX];
    size_t count;
    struct prefetch_fields fields;
};

/* A key, and the part of it that is the value of a field. */
struct prefetch_pattern {
    const char *key;
    const char *field;
    size_t at, length; /* of the value in the key */
};

struct prefetch {
    struct arena arena;
    struct prefetch_model models[PREFETCH_MODELS];
    size_t learnt;
    struct prefetch_pattern patterns[KEYS_MAX];
    size_t pattern_count;
    const char **wanted;
    size_t wanted_count, wanted_capacity;
    struct arena wanted_arena;
};

struct prefetch *prefetch_new(void)
{
    return memory_new(1, sizeof(struct prefetch));
}

void prefetch_free(struct prefetch *prefetch)
{
    arena_clear(&prefetch->arena);
    arena_clear(&prefetch->wanted_arena);
    free(prefetch->wanted);
    free(prefetch);
}

void prefetch_note(struct prefetch *prefetch, const char *key)
{
    struct prefetch_model *model = &prefetch->models[prefetch->learnt % PREFETCH_MODELS];

    if (prefetch->learnt < PREFETCH_MODELS && model->count < KEYS_MAX)
        model->keys[model->count++] = arena_string(&prefetch->arena, key);
}

/* ------------------------------------------------------------------ fields */

static void prefetch_add_field(
    struct prefetch_fields *fields, struct arena *arena, const char *name, const char *value)
{
    if (fields->count < FIELDS_MAX && *value) {
        fields->items[fields->count].name = arena_string(arena, name);
        fields->items[fields->count++].value = arena_string(arena, value);
    }
}

/* `rows`: include the fields of the client's data row. */
static void prefetch_read_fields(struct prefetch_fields *fields, struct arena *arena,
    struct script *script, int64_t client, bool rows)
{
    struct iotify_buffer text;
    const char *name;
    json_t *row, *value;

    fields->count = 0;
    prefetch_add_field(fields, arena, "", arena_format(arena, "%lld", (long long)client));
    if (!rows)
        return;
    iotify_buffer_init(&text, 1 << 20);
    row = script_show_row(script, client, &text) ? json_loads(iotify_buffer_text(&text), 0, NULL)
                                                 : NULL;
    json_object_foreach(row, name, value)
    {
        if (json_is_string(value))
            prefetch_add_field(fields, arena, name, json_string_value(value));
        else if (json_is_integer(value))
            prefetch_add_field(fields, arena, name,
                arena_format(arena, "%lld", (long long)json_integer_value(value)));
    }
    json_decref(row);
    iotify_buffer_wipe(&text);
}

static const char *prefetch_field_value(const struct prefetch_fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (strcmp(fields->items[i].name, name) == 0)
            return fields->items[i].value;
    return NULL;
}

/* ------------------------------------------------------------------ patterns */

/* The pattern's key for another client; NULL: it has no such field. */
static const char *prefetch_fill_in(const struct prefetch_pattern *pattern,
    const struct prefetch_fields *fields, struct arena *arena)
{
    const char *value = prefetch_field_value(fields, pattern->field);

    return value ? arena_format(arena, "%.*s%s%s", (int)pattern->at, pattern->key, value,
                       pattern->key + pattern->at + pattern->length)
                 : NULL;
}

static bool prefetch_reads(const struct prefetch_model *model, const char *key)
{
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->keys[i], key) == 0)
            return true;
    return false;
}

/* Does the second model read the key that this pattern predicts? */
static bool prefetch_holds(struct prefetch *prefetch, const struct prefetch_pattern *pattern)
{
    const char *key = prefetch_fill_in(pattern, &prefetch->models[1].fields, &prefetch->arena);

    return key && strcmp(key, pattern->key) != 0 && prefetch_reads(&prefetch->models[1], key);
}

/* Find the first field and position that explain the keys of both models. */
static bool prefetch_explain(
    struct prefetch *prefetch, const char *key, struct prefetch_pattern *pattern)
{
    const struct prefetch_fields *fields = &prefetch->models[0].fields;

    for (size_t i = 0; i < fields->count; i++) {
        const char *value = fields->items[i].value;

        for (const char *at = strstr(key, value); at; at = strstr(at + 1, value)) {
            *pattern = (struct prefetch_pattern){
                key, fields->items[i].name, (size_t)(at - key), strlen(value)};
            if (prefetch_holds(prefetch, pattern))
                return true;
        }
    }
    return false;
}

void prefetch_learn(struct prefetch *prefetch, struct script *script, int64_t client)
{
    if (prefetch->learnt >= PREFETCH_MODELS)
        return;
    prefetch_read_fields(
        &prefetch->models[prefetch->learnt].fields, &prefetch->arena, script, client, true);
    if (++prefetch->learnt < PREFETCH_MODELS)
        return;
    for (size_t i = 0; i < prefetch->models[0].count; i++)
        if (prefetch_explain(prefetch, prefetch->models[0].keys[i],
                &prefetch->patterns[prefetch->pattern_count]))
            prefetch->pattern_count++;
}

/* ------------------------------------------------------------------ reading ahead */

/* Does any pattern use a field of the data row? The client's number has an empty name. */
static bool prefetch_names_rows(const struct prefetch *prefetch)
{
    for (size_t i = 0; i < prefetch->pattern_count; i++)
        if (*prefetch->patterns[i].field)
            return true;
    return false;
}

void prefetch_add(struct prefetch *prefetch, struct script *script, int64_t client)
{
    struct prefetch_fields fields;

    if (prefetch->pattern_count == 0)
        return;
    prefetch_read_fields(
        &fields, &prefetch->wanted_arena, script, client, prefetch_names_rows(prefetch));
    for (size_t i = 0; i < prefetch->pattern_count; i++) {
        const char *key =
            prefetch_fill_in(&prefetch->patterns[i], &fields, &prefetch->wanted_arena);

        if (!key)
            continue;
        if (prefetch->wanted_count == prefetch->wanted_capacity) {
            prefetch->wanted_capacity =
                prefetch->wanted_capacity ? prefetch->wanted_capacity * 2 : 64;
            prefetch->wanted =
                memory_grow(prefetch->wanted, prefetch->wanted_capacity, sizeof(*prefetch->wanted));
        }
        prefetch->wanted[prefetch->wanted_count++] = key;
    }
}

void prefetch_read(struct prefetch *prefetch, struct glob_port *glob)
{
    if (prefetch->wanted_count)
        glob_prefetch(glob, prefetch->wanted, prefetch->wanted_count);
    prefetch->wanted_count = 0;
    arena_reset(&prefetch->wanted_arena);
}
