/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/reference.h"

#include "sandbox/operation.h"

static void reference_print_one(void *argument, const struct operation *operation)
{
    FILE *stream = argument;
    const char *separator = "";

    fprintf(stream, "| %s | %s %s | ", operation->name, operation->method, operation->path);
    for (const struct parameter *parameter = operation->parameters; parameter && parameter->name;
         parameter++) {
        fprintf(stream, "%s%s%s", separator, parameter->name, parameter->required ? "*" : "");
        separator = ", ";
    }
    if (operation->rate > 0)
        fprintf(stream, " | %g |\n", operation->rate);
    else
        fprintf(stream, " | – |\n");
}

void reference_print(FILE *stream)
{
    fprintf(stream, "| Operation | HTTP | Parameters (* required) | AWS's default, calls per "
                    "second |\n|---|---|---|---|\n");
    operation_each(reference_print_one, stream);
}
