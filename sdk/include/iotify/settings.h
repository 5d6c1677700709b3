/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings as data. One table declares the settings of a plugin, an action or a connection. The
 * host uses it for validation with line and column, `--print`, `iotifyd plugins`, the JSON Schema
 * and the reference in docs/. The host writes each value into the plugin's own option structure
 * at `offset`, in the C type given with each type below. Strings, lists, maps and rows belong to
 * the host and live as long as the option structure.
 *
 * A default must be a valid value of its type, and one of the choices where there are any; `min`
 * and `max` are not applied to it. A value with an {{expression}} is evaluated for each device.
 * Before that, a text setting holds the text as written, and any other setting holds its default.
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
    IOTIFY_TYPE_STRING = 1, /* const char *; NULL when not set */
    IOTIFY_TYPE_SECRET,     /* const char *; the host prints [redacted] instead of it */
    IOTIFY_TYPE_INTEGER,    /* int64_t */
    IOTIFY_TYPE_BOOLEAN,    /* bool */
    IOTIFY_TYPE_DURATION,   /* int64_t nanoseconds; written 250ms, 10s, 5m, 2h */
    IOTIFY_TYPE_RATE,       /* double, events per second; written 200/s, 30/m or a bare number */
    IOTIFY_TYPE_SIZE,       /* int64_t bytes; written 128KB, 4KiB or a bare number */
    IOTIFY_TYPE_CHOICE,     /* int, the index into the array `domain`; -1 when not set */
    IOTIFY_TYPE_LIST,       /* struct iotify_list of strings */
    IOTIFY_TYPE_MAP,        /* struct iotify_map, names to rates (events per second) */
    IOTIFY_TYPE_DOCUMENT,   /* const char *, JSON text; from a file, or inline as a mapping */
    IOTIFY_TYPE_SHARE,      /* double from 0 to 1; written 30% or 0.3 */
    IOTIFY_TYPE_TABLE       /* struct iotify_table: a list of mappings, one per row */
};

/*
 * What a setting of a transport's connection or publish table means to the host. The host knows no
 * protocol: it finds these settings by role, not by name. At most one setting of a table may have
 * a given role.
 */
enum iotify_role {
    IOTIFY_ROLE_NONE = 0,
    IOTIFY_ROLE_HOST,      /* connection, string; default: the connector's endpoint */
    IOTIFY_ROLE_PORT,      /* connection, integer; default: the port of that endpoint */
    IOTIFY_ROLE_CLIENT_ID, /* connection, string: the name of the session at the server */
    IOTIFY_ROLE_TOPIC,  /* publish, string: the destination of a message; connection: of the will */
    IOTIFY_ROLE_QOS,    /* publish, integer: 0 or 1 */
    IOTIFY_ROLE_RETAIN, /* publish, boolean */
    IOTIFY_ROLE_SHARED_ID,   /* connection, boolean: clients may use the same client id */
    IOTIFY_ROLE_CERTIFICATE, /* connection, string or secret: PEM text or the path of a file */
    IOTIFY_ROLE_KEY,         /* connection, string or secret: its private key */
    IOTIFY_ROLE_CA,   /* connection, string: a file of root certificates; default: the endpoint's */
    IOTIFY_ROLE_ALPN, /* connection, string: TLS application protocol; default: the endpoint's */
    IOTIFY_ROLE_URL,  /* connection, string: a whole address, instead of host and port */
    IOTIFY_ROLE_TIMEOUT /* connection, duration: the plugin reports `closed` when connecting or
                           closing takes longer; without it, within 60 s */
};

/* Flags of a setting. */
#define IOTIFY_FLAG_REQUIRED UINT32_C(1)
#define IOTIFY_FLAG_EXPRESSION UINT32_C(2) /* may contain {{ }}, evaluated for each device */
/* A file or folder. A relative path starts at the folder of the job file; the plugin gets it
 * absolute. */
#define IOTIFY_FLAG_PATH UINT32_C(4)
#define IOTIFY_FLAG_WRITES UINT32_C(8) /* with IOTIFY_FLAG_PATH: the action writes this file */
#define IOTIFY_FLAG_GLOB_KEY                                                                       \
    UINT32_C(16)                     /* a key of the glob; no two settings may name the same       \
                                      */
#define IOTIFY_FLAG_ASK UINT32_C(32) /* of a connector's settings: `iotifyd init` asks for it */

/* Of a string: a mapping may be given, too, and becomes a line `NAME: VALUE` for each entry. */
#define IOTIFY_FLAG_LINES UINT32_C(64)

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

/* Each row is an option structure of the settings that `domain` names. */
struct iotify_table {
    const void *const *rows;
    size_t count;
};

struct iotify_setting {
    const char *name; /* "will.topic" is `topic` in the mapping `will` */
    enum iotify_type type;
    uint32_t flags;
    size_t offset; /* of the value in the option structure */
    /* Default, as a user would write it; NULL: not set (zero). In paths {job} is the job's name. */
    const char *value;
    int64_t min, max; /* in the unit of the C type; for rates per second; both 0: no range */
    /*
     * The allowed values. IOTIFY_TYPE_CHOICE: an array of `const char *const` that ends with NULL.
     * IOTIFY_TYPE_TABLE: the `struct iotify_settings` of the columns, none of them a table; a row
     * that is a text sets the first column. Other types: NULL.
     */
    const void *domain;
    const char *help; /* one line, a phrase without a full stop */
    enum iotify_role role;
    /* IOTIFY_TYPE_CHOICE: the elements of the array `domain`, with the NULL. */
    uint32_t domain_count;
};

/* Initialiser of both members for an array of `const char *const` that ends with NULL. */
#define IOTIFY_CHOICES(array)                                                                      \
    .domain = (array), .domain_count = (uint32_t)(sizeof(array) / sizeof((array)[0]))

struct iotify_settings {
    uint32_t struct_size; /* sizeof(struct iotify_settings) */
    uint32_t count;
    uint32_t item_size; /* sizeof(struct iotify_setting) */
    const struct iotify_setting *items;
    size_t options_size; /* sizeof the option structure */
};

/* Initialiser of struct iotify_settings for an array `table` and the option structure's type. */
#define IOTIFY_SETTINGS(table, options)                                                            \
    {                                                                                              \
        .struct_size = sizeof(struct iotify_settings),                                             \
        .count = (uint32_t)(sizeof(table) / sizeof((table)[0])), .item_size = sizeof((table)[0]),  \
        .items = (table), .options_size = sizeof(options)                                          \
    }

#ifdef __cplusplus
}
#endif

#endif
