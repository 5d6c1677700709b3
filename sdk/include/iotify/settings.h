/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings as data. One table declares what a plugin, an action or a connection takes; from it
 * come validation with line and column, binding, `--print`, `iotifyd plugins`, the JSON Schema
 * and the reference in docs/. The host writes each value into the plugin's own option structure
 * at `offset`, in the C type given beside each type below.
 *
 * A default must read as a value of its type, and be one of the choices where there are any; ranges
 * apply to what users write, not to defaults. A value that holds {{expressions}} is known for each
 * client only: until then a text stands as it is written, and any other type has its default.
 */
#ifndef IOTIFY_SETTINGS_H
#define IOTIFY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum iotify_type {
    IOTIFY_STRING = 1, /* const char *; NULL when not set */
    IOTIFY_SECRET,     /* const char *; shown as [redacted] wherever anything is printed */
    IOTIFY_INTEGER,    /* int64_t */
    IOTIFY_BOOLEAN,    /* bool */
    IOTIFY_DURATION,   /* int64_t nanoseconds; written 250ms, 10s, 5m, 2h */
    IOTIFY_RATE,       /* double, events a second; written 200/s, 30/m or a bare number */
    IOTIFY_SIZE,       /* int64_t bytes; written 128KB, 4KiB or a bare number */
    IOTIFY_CHOICE,     /* int, the index into `choices`; -1 when not set */
    IOTIFY_LIST,       /* struct iotify_list of strings */
    IOTIFY_MAP,        /* struct iotify_map, name to rate */
    IOTIFY_DOCUMENT,   /* const char *, JSON text: from a file, or written inline as a mapping */
    IOTIFY_SHARE,      /* double from 0 to 1; written 30% or 0.3 */
    IOTIFY_TABLE       /* struct iotify_table: a list of mappings with settings of their own */
};

/*
 * What a setting of a transport's connection or publish table means to the host, which knows no
 * protocol: it finds them by role, not by name. At most one setting per table has a role.
 */
enum iotify_role {
    IOTIFY_ROLE_NONE = 0,
    IOTIFY_ROLE_HOST,      /* connection, string: the connector's endpoint by default */
    IOTIFY_ROLE_PORT,      /* connection, integer: likewise */
    IOTIFY_ROLE_CLIENT_ID, /* connection, string: names the session to the server */
    IOTIFY_ROLE_TOPIC,     /* publish, string: where the message goes */
    IOTIFY_ROLE_QOS,       /* publish, integer: 0 or 1 */
    IOTIFY_ROLE_RETAIN     /* publish, boolean */
};

/* Flags of a setting. */
#define IOTIFY_REQUIRED UINT32_C(1)
#define IOTIFY_EXPRESSION UINT32_C(2) /* may hold {{ }}, expanded for each client */
#define IOTIFY_PATH UINT32_C(4)       /* a file; a relative one is relative to the job file */
#define IOTIFY_WRITES UINT32_C(8)     /* with IOTIFY_PATH: the action writes this file */
#define IOTIFY_GLOB_KEY UINT32_C(16)  /* names a key of the glob that only this step may use */

struct iotify_list {
    const char *const *items;
    size_t count;
};

struct iotify_entry {
    const char *name;
    double value;
};

struct iotify_map {
    const struct iotify_entry *entries;
    size_t count;
};

/* Each row is an option structure of the setting's `columns`. */
struct iotify_table {
    const void *const *rows;
    size_t count;
};

struct iotify_setting {
    const char *name; /* "will.topic" is `topic` inside the mapping `will` */
    enum iotify_type type;
    uint32_t flags;
    size_t offset; /* of the value in the option structure */
    /* Default, as one would write it; NULL: not set (zero). In paths `{job}` is the job's name. */
    const char *value;
    int64_t min, max; /* in the unit of the C type, whole numbers for rates; both 0: no range */
    /*
     * What the value may be. IOTIFY_CHOICE: a `const char *const` array that ends with NULL.
     * IOTIFY_TABLE: the `struct iotify_settings` of a row, its columns, without a table among them;
     * a text in the place of a row stands for the first column. Others: NULL.
     */
    const void *domain;
    const char *help;      /* one line, a phrase without a full stop */
    enum iotify_role role; /* since minor 4 */
};

struct iotify_settings {
    const struct iotify_setting *items;
    uint32_t count;
    uint32_t item_size;  /* sizeof(struct iotify_setting) */
    size_t options_size; /* sizeof the option structure */
};

/* For a table `items` and its option structure: the members of struct iotify_settings. */
#define IOTIFY_SETTINGS(table, options)                                                            \
    {                                                                                              \
        .items = (table), .count = sizeof(table) / sizeof((table)[0]),                             \
        .item_size = sizeof((table)[0]), .options_size = sizeof(options)                           \
    }

#ifdef __cplusplus
}
#endif

#endif
