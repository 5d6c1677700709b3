/* SPDX-License-Identifier: Apache-2.0 */
/* The top-level settings of a job file. */
#include <libgen.h>
#include <string.h>

#include "core/base/value.h"
#include "core/job/job_internal.h"

#define AT(member) offsetof(struct job_options, member)
#define NAME_SETTING                                                                               \
    {                                                                                              \
        .name = "name", .type = IOTIFY_TYPE_STRING, .offset = AT(name),                            \
        .help = "names the job in summaries and in its store; default: the file's name"            \
    }
#define WORKERS_SETTING                                                                            \
    {                                                                                              \
        .name = "workers", .type = IOTIFY_TYPE_INTEGER, .offset = AT(workers), .value = "16",      \
        .min = 1, .max = 256, .help = "calls of one step that may be under way at once"            \
    }

#define SEAL_SETTINGS                                                                              \
    {.name = "seal.with",                                                                          \
        .type = IOTIFY_TYPE_CHOICE,                                                                \
        .offset = AT(seal.with),                                                                   \
        .value = "file",                                                                           \
        IOTIFY_CHOICES(seal_choices),                                                              \
        .help = "what seals keys in the store: a key file, " SEAL_KEY_VARIABLE                     \
                ", " SEAL_PASSPHRASE_VARIABLE " or nothing"},                                      \
        {.name = "seal.key_file",                                                                  \
            .type = IOTIFY_TYPE_STRING,                                                            \
            .flags = IOTIFY_FLAG_PATH,                                                             \
            .offset = AT(seal.key_file),                                                           \
            .help = "the key file of seal.with: file; default: the job's name with .key"},         \
    {                                                                                              \
        .name = "seal.accept_unsealed", .type = IOTIFY_TYPE_BOOLEAN,                               \
        .offset = AT(seal.accept_unsealed), .value = "false",                                      \
        .help = "use glob entries that other programs wrote without sealing them"                  \
    }

/* In the order of enum seal_with. */
static const char *const seal_choices[] = {"file", "environment", "passphrase", "none", NULL};

static const struct iotify_setting own_items[] = {
    NAME_SETTING,
    {.name = "devices.first",
        .type = IOTIFY_TYPE_INTEGER,
        .offset = AT(first),
        .value = "0",
        .max = VALUE_DEVICES_MAX,
        .help = "index of the first client"},
    {.name = "devices.count",
        .type = IOTIFY_TYPE_INTEGER,
        .flags = IOTIFY_FLAG_REQUIRED,
        .offset = AT(count),
        .min = 1,
        .max = VALUE_DEVICES_MAX,
        .help = "how many clients; `devices: 100` is short for it"},
    WORKERS_SETTING,
    SEAL_SETTINGS,
};

/* The same, for `devices` as a number. */
static const struct iotify_setting short_items[] = {
    NAME_SETTING,
    {.name = "devices",
        .type = IOTIFY_TYPE_INTEGER,
        .flags = IOTIFY_FLAG_REQUIRED,
        .offset = AT(count),
        .min = 1,
        .max = VALUE_DEVICES_MAX,
        .help = "how many clients there are"},
    WORKERS_SETTING,
    SEAL_SETTINGS,
};

const struct iotify_settings job_settings = IOTIFY_SETTINGS(own_items, struct job_options);
static const struct iotify_settings short_settings =
    IOTIFY_SETTINGS(short_items, struct job_options);

const struct job_key job_keys[] = {
    {.name = "plugins",
        .type = "mapping",
        .help = "alias of each plugin to `use: NAME` and its settings"},
    {.name = "pipelines",
        .type = "mapping",
        .help = "name of each pipeline to a list of steps, `alias.action: {settings}`; "
                "one of your own replaces the default of the same name"},
    {.name = "run",
        .type = "list of texts",
        .help = "pipelines that run, in order; default: deploy, simulate, cleanup"},
};
const size_t job_key_count = sizeof(job_keys) / sizeof(job_keys[0]);

/* Keys of the job file that are not in a settings table. */
static const char *const other_keys[] = {"plugins", "pipelines", "run", NULL};

const char *job_default_name(struct arena *arena, const char *file)
{
    const char *base = basename(arena_string(arena, file));
    size_t length = strlen(base);

    if (length > 5 && strcmp(base + length - 5, ".yaml") == 0)
        length -= 5;
    else if (length > 4 && strcmp(base + length - 4, ".yml") == 0)
        length -= 4;
    return arena_copy(arena, base, length);
}

bool job_valid_name(const char *name)
{
    return *name && strlen(name) <= 64 &&
           name[strspn(name,
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0' &&
           *name != '.';
}

void job_loader_bind_settings(struct job_loader *loader)
{
    struct job *job = loader->job;
    struct job_options *options;
    const struct node *name = node_get(loader->root, "name");
    const struct node *devices = node_get(loader->root, "devices");
    bool is_short = !devices || devices->kind == NODE_SCALAR;
    size_t before = loader->diagnostics->count;

    options = schema_bind(&job->binder, is_short ? &short_settings : &job_settings, loader->root,
        "the job file", job_loader_root_location(loader), other_keys, NULL);
    if (!options->name)
        options->name = job_default_name(&job->arena, job->file);
    if (!job_valid_name(options->name))
        diagnostics_add(loader->diagnostics,
            name ? name->location : job_loader_root_location(loader),
            "\"name\" takes 1 to 64 letters, digits and ._- , not \"%s\"%s", options->name,
            name ? "" : "; the file's name is its default");
    job->binder.name = options->name;
    if (!options->seal.key_file)
        options->seal.key_file =
            binder_path(&job->binder, arena_format(&job->arena, "%s.key", options->name));
    job->options = options;
    job->valid = loader->diagnostics->count == before;
}
