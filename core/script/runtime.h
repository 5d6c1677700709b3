/* SPDX-License-Identifier: Apache-2.0 */
/* The JavaScript files of runtime/ as strings, made by the build; ends with a NULL name. */
#ifndef CORE_TEMPLATE_RUNTIME_H
#define CORE_TEMPLATE_RUNTIME_H

struct runtime_file {
    const char *name; /* as stack traces show it */
    const char *source;
};

extern const struct runtime_file runtime_files[];

#endif
