/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/validate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iotify/buffer.h>

#include "sandbox/request.h"
#include "sandbox/response.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NUMERALS "0123456789"

static const struct {
    const char *pattern, *characters; /* characters NULL: validate_charset_holds() decides */
    bool may_be_empty;
} charsets[] = {
    [ANYTHING] = {"[\\s\\S]*", NULL, true},
    [NAME] = {"[a-zA-Z0-9:_-]+", LETTERS NUMERALS ":_-", false},
    [POLICY_NAME] = {"[\\w+=,.@-]+", LETTERS NUMERALS "_+=,.@-", false},
    [DIGITS] = {"[0-9]+", NUMERALS, false},
    [HEXADECIMAL] = {"(0x)?[a-fA-F0-9]+", NUMERALS "abcdefABCDEF", false},
    [MARKER] = {"[A-Za-z0-9+/]+={0,2}", LETTERS NUMERALS "+/=", false},
    [ATTRIBUTE_NAME] = {"[a-zA-Z0-9_.,@/:#-]+", LETTERS NUMERALS "_.,@/:#-", false},
    [ATTRIBUTE_VALUE] = {"[a-zA-Z0-9_.,@/:#=\\[\\]-]*", LETTERS NUMERALS "_.,@/:#=[]-", true},
    [PRINTABLE] = {"[\\p{Graph}\\x20]*", NULL, true},
};

const char *validate_charset_pattern(enum parameter_charset charset)
{
    return charsets[charset].pattern;
}

bool validate_charset_holds(enum parameter_charset charset, const char *text)
{
    if (!*text)
        return charsets[charset].may_be_empty;
    if (charset == HEXADECIMAL && strncmp(text, "0x", 2) == 0)
        text += 2;
    if (charsets[charset].characters)
        return text[strspn(text, charsets[charset].characters)] == '\0';
    for (; charset == PRINTABLE && *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

/* ------------------------------------------------------------------ violations */

struct validate_check {
    const struct parameter *parameter;
    struct iotify_buffer wrong; /* all violations so far */
    int count;
};

static void validate_violation(struct validate_check *check, const char *value, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

static void validate_violation(
    struct validate_check *check, const char *value, const char *format, ...)
{
    va_list arguments;

    if (check->count++)
        iotify_buffer_string(&check->wrong, "; ");
    if (value)
        iotify_buffer_format(&check->wrong, "Value '%.200s'", value);
    else
        iotify_buffer_string(&check->wrong, "Value null");
    iotify_buffer_format(
        &check->wrong, " at '%s' failed to satisfy constraint: ", check->parameter->name);
    va_start(arguments, format);
    iotify_buffer_vformat(&check->wrong, format, arguments);
    va_end(arguments);
}

/* ------------------------------------------------------------------ one parameter */

static void validate_check_choice(struct validate_check *check, const char *text)
{
    struct iotify_buffer names;

    for (int i = 0; check->parameter->choices[i]; i++)
        if (strcmp(check->parameter->choices[i], text) == 0)
            return;
    iotify_buffer_init(&names, 1024);
    for (int i = 0; check->parameter->choices[i]; i++)
        iotify_buffer_format(&names, "%s%s", i ? ", " : "", check->parameter->choices[i]);
    validate_violation(
        check, text, "Member must satisfy enum value set: [%s]", iotify_buffer_text(&names));
    iotify_buffer_clear(&names);
}

static void validate_check_text(struct validate_check *check, const char *text)
{
    const struct parameter *parameter = check->parameter;

    if (parameter->max && (long)strlen(text) > parameter->max)
        validate_violation(
            check, text, "Member must have length less than or equal to %ld", parameter->max);
    if ((long)strlen(text) < parameter->min)
        validate_violation(
            check, text, "Member must have length greater than or equal to %ld", parameter->min);
    if (!validate_charset_holds(parameter->charset, text))
        validate_violation(check, text, "Member must satisfy regular expression pattern: %s",
            validate_charset_pattern(parameter->charset));
    if (parameter->choices)
        validate_check_choice(check, text);
}

static void validate_check_number(struct validate_check *check, json_int_t number)
{
    const struct parameter *parameter = check->parameter;
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)number);
    if (parameter->max && number > parameter->max)
        validate_violation(
            check, text, "Member must have value less than or equal to %ld", parameter->max);
    if (number < parameter->min)
        validate_violation(
            check, text, "Member must have value greater than or equal to %ld", parameter->min);
}

/* Converts a text of query or header to the type of its parameter; NULL when that fails. */
static json_t *validate_convert(const struct parameter *parameter, const char *text)
{
    char *end;
    long long number;

    switch (parameter->type) {
    case NUMBER:
        errno = 0;
        number = strtoll(text, &end, 10);
        return *text && !*end && errno == 0 ? json_integer(number) : NULL;
    case FLAG:
        return strcmp(text, "true") == 0    ? json_true()
               : strcmp(text, "false") == 0 ? json_false()
                                            : NULL;
    default:
        return json_string(text);
    }
}

static bool validate_has_type(const struct parameter *parameter, const json_t *value)
{
    switch (parameter->type) {
    case TEXT:
        return json_is_string(value);
    case NUMBER:
        return json_is_integer(value);
    case FLAG:
        return json_is_boolean(value);
    case OBJECT:
        return json_is_object(value);
    case LIST:
        return json_is_array(value);
    }
    return false;
}

/* The value of a parameter, a new reference. NULL with `*wrong` set: it has another type. */
static json_t *validate_gather(const struct parameter *parameter,
    const struct validate_source *arrival, const json_t *input, bool *wrong)
{
    const char *wire = parameter->wire ? parameter->wire : parameter->name, *text;
    json_t *value;

    *wrong = false;
    if (parameter->location == IN_PATH || parameter->location == IN_BODY) {
        value = json_object_get(parameter->location == IN_PATH ? input : arrival->body, wire);
        if (!value || json_is_null(value))
            return NULL;
        *wrong = !validate_has_type(parameter, value);
        return *wrong ? NULL : json_incref(value);
    }
    text = parameter->location == IN_QUERY ? arrival->query(arrival->context, wire)
                                           : arrival->header(arrival->context, wire);
    value = text ? validate_convert(parameter, text) : NULL;
    *wrong = text && !value;
    return value;
}

static void validate_check_value(struct validate_check *check, const json_t *value)
{
    const struct parameter *parameter = check->parameter;

    if (json_is_string(value))
        validate_check_text(check, json_string_value(value));
    else if (json_is_integer(value))
        validate_check_number(check, json_integer_value(value));
    else if (json_is_array(value) && parameter->max &&
             (long)json_array_size(value) > parameter->max)
        validate_violation(
            check, "[list]", "Member must have length less than or equal to %ld", parameter->max);
}

bool validate(const struct operation *operation, const struct validate_source *arrival,
    json_t *input, struct response *response)
{
    struct validate_check check = {0};
    bool mistyped = false;

    iotify_buffer_init(&check.wrong, 900);
    for (check.parameter = operation->parameters; check.parameter && check.parameter->name;
         check.parameter++) {
        bool wrong;
        json_t *value = validate_gather(check.parameter, arrival, input, &wrong);

        if (wrong && !mistyped)
            response_error(response, 400, "SerializationException",
                "The value of %s has another type than the operation takes", check.parameter->name);
        mistyped = mistyped || wrong;
        if (value)
            validate_check_value(&check, value);
        else if (check.parameter->required && !wrong)
            validate_violation(&check, NULL, "Member must not be null");
        if (value)
            json_object_set_new(input, check.parameter->name, value);
    }
    if (check.count && !mistyped)
        response_invalid(response, "%d validation error%s detected: %s", check.count,
            check.count > 1 ? "s" : "", iotify_buffer_text(&check.wrong));
    iotify_buffer_clear(&check.wrong);
    return check.count == 0 && !mistyped;
}
