/* SPDX-License-Identifier: Apache-2.0 */
/* Values of a provisioning template: parameters, Ref, Fn::Join and Fn::Sub. */
#include <string.h>

#include "sandbox/registration_internal.h"

const char *registration_parameter(struct registration_template *template, const char *name)
{
    const json_t *declared = json_object_get(template->declared, name);
    const char *value = json_string_value(json_object_get(template->given, name));

    if (!declared) {
        registration_fail(template, "The template declares no parameter ", name);
        return NULL;
    }
    if (!value)
        value = json_string_value(json_object_get(declared, "Default"));
    if (!value)
        registration_fail(template, "No value for the parameter ", name);
    return value;
}

bool registration_append(struct registration_template *template, const json_t *value,
    struct iotify_buffer *out, int depth);

/* ["separator", ["a", "b"]] */
static bool registration_join(struct registration_template *template, const json_t *arguments,
    struct iotify_buffer *out, int depth)
{
    const char *separator = json_string_value(json_array_get(arguments, 0));
    const json_t *items = json_array_get(arguments, 1);

    if (!separator || !json_is_array(items))
        return registration_fail(template, "Fn::Join takes a text and a list", "");
    for (size_t i = 0; i < json_array_size(items); i++) {
        iotify_buffer_string(out, i ? separator : "");
        if (!registration_append(template, json_array_get(items, i), out, depth + 1))
            return false;
    }
    return true;
}

/* "text with ${parameters}", alone or as the first item of a list */
static bool registration_substitute(
    struct registration_template *template, const json_t *argument, struct iotify_buffer *out)
{
    const char *text =
        json_string_value(json_is_array(argument) ? json_array_get(argument, 0) : argument);

    if (!text)
        return registration_fail(template, "Fn::Sub takes a text", "");
    for (; *text; text++) {
        const char *end = text[0] == '$' && text[1] == '{' ? strchr(text, '}') : NULL;
        char name[128];

        if (end && (size_t)(end - text) - 2 < sizeof(name)) {
            const char *value;

            memcpy(name, text + 2, (size_t)(end - text) - 2);
            name[end - text - 2] = '\0';
            value = registration_parameter(template, name);
            if (!value)
                return false;
            iotify_buffer_string(out, value);
            text = end;
        } else {
            iotify_buffer_char(out, *text);
        }
    }
    return true;
}

bool registration_append(struct registration_template *template, const json_t *value,
    struct iotify_buffer *out, int depth)
{
    const json_t *argument;
    const char *text = json_string_value(value);

    if (depth > DEPTH_MAX)
        return registration_fail(template, "The template is nested too deeply", "");
    if (!text && (argument = json_object_get(value, "Ref"))) {
        text = registration_parameter(
            template, json_is_string(argument) ? json_string_value(argument) : "");
        if (!text)
            return false;
    }
    if (text)
        return iotify_buffer_string(out, text);
    if ((argument = json_object_get(value, "Fn::Join")))
        return registration_join(template, argument, out, depth);
    if ((argument = json_object_get(value, "Fn::Sub")))
        return registration_substitute(template, argument, out);
    return registration_fail(
        template, "A value is neither a text nor a function that is known", "");
}

char *registration_member(
    struct registration_template *template, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    struct iotify_buffer text;
    char *copy = NULL;

    if (!value)
        return NULL;
    iotify_buffer_init(&text, TEXT_BYTES_MAX);
    if (registration_append(template, value, &text, 0) && !text.failed)
        copy = strdup(iotify_buffer_text(&text));
    else
        registration_fail(template, "The value is too long: ", name);
    iotify_buffer_clear(&text);
    return copy;
}
