/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both documents are brought into a normal form, whose text is compared: the value of each member
 * becomes the sorted list of its items' normal forms, each of them once.
 */
#include "plugins/aws/policy/policy_compare.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static char *policy_normal_item(const json_t *item);

static int policy_order(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* The items of `value`, which is a list of one unless it is a list. NULL without memory. */
static json_t *policy_normal_list(const json_t *value)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    char **texts = calloc(count + 1, sizeof(*texts));
    json_t *list = json_array();
    bool good = texts && list;

    for (size_t i = 0; i < count && good; i++) {
        texts[i] = policy_normal_item(json_is_array(value) ? json_array_get(value, i) : value);
        good = texts[i] != NULL;
    }
    if (good)
        qsort(texts, count, sizeof(*texts), policy_order);
    for (size_t i = 0; i < count && good; i++)
        if (i == 0 || strcmp(texts[i], texts[i - 1]) != 0)
            good = json_array_append_new(list, json_string(texts[i])) == 0;
    for (size_t i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

/* The normal form of a value that is no list, as text that the caller frees. */
static char *policy_normal_item(const json_t *item)
{
    json_t *normal = json_object();
    const char *name;
    const json_t *value;
    bool good = normal != NULL;
    char *text = NULL;

    if (json_is_string(item)) {
        json_decref(normal);
        return strdup(json_string_value(item));
    }
    json_object_foreach((json_t *)item, name, value) good =
        json_object_set_new(normal, name, policy_normal_list(value)) == 0 && good;
    if (good)
        text = json_dumps(
            json_is_object(item) ? normal : item, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    json_decref(normal);
    return text;
}

bool policy_same(const char *one, const char *other)
{
    json_t *documents[] = {
        one ? json_loads(one, 0, NULL) : NULL, other ? json_loads(other, 0, NULL) : NULL};
    char *texts[2] = {NULL, NULL};
    bool same;

    for (size_t i = 0; i < 2; i++)
        texts[i] = documents[i] ? policy_normal_item(documents[i]) : NULL;
    same = texts[0] && texts[1] && strcmp(texts[0], texts[1]) == 0;
    for (size_t i = 0; i < 2; i++) {
        free(texts[i]);
        json_decref(documents[i]);
    }
    return same;
}
