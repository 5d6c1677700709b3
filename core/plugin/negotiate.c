/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plugin/negotiate.h"

#include <string.h>

#include "core/plugin/lint.h"

/* A descriptor must contain at least the members up to its operations. */
#define DESCRIPTOR_MIN offsetof(struct iotify_plugin, actions)
/* The sizes in ABI 2.0: every plugin has these members, newer ones follow. */
#define ACTION_MIN (offsetof(struct iotify_action, apply) + sizeof(void *))
#define STEP_MIN (offsetof(struct iotify_default_step, settings) + sizeof(void *))
#define CONNECTOR_MIN (offsetof(struct iotify_connector, refused) + sizeof(void *))
#define STORAGE_MIN (offsetof(struct iotify_storage, verify_durability) + sizeof(void *))
#define TRANSPORT_MIN (offsetof(struct iotify_transport, session_unwritten) + sizeof(void *))
#define READ_MIN sizeof(struct iotify_read)
#define WRITE_MIN sizeof(struct iotify_write)
#define RECORD_WRITE_MIN sizeof(struct iotify_record_write)
/* A newer host's element is not larger than this: the number is wrong. */
#define ELEMENT_MAX 4096
#define CAPABILITIES_KNOWN                                                                         \
    (IOTIFY_CAPABILITY_SUBSCRIBE | IOTIFY_CAPABILITY_ACKNOWLEDGE | IOTIFY_CAPABILITY_ANSWER)
#define COUNT_MAX 1000
#define PROTOCOLS_MAX 16

/* A table without settings, for plugins and actions that have none. */
static const struct iotify_settings no_settings = {
    .struct_size = sizeof(struct iotify_settings), .item_size = sizeof(struct iotify_setting)};
static void negotiate_copy_known(void *to, size_t to_size, const void *from, size_t from_size)
{
    memset(to, 0, to_size);
    memcpy(to, from, from_size < to_size ? from_size : to_size);
}

/* Copy an array whose elements may be smaller or larger than the host's. */
static void *negotiate_copy_array(
    struct arena *arena, const void *from, size_t count, size_t from_size, size_t to_size)
{
    char *array = arena_array(arena, count, to_size);

    for (size_t i = 0; i < count; i++)
        negotiate_copy_known(
            array + i * to_size, to_size, (const char *)from + i * from_size, from_size);
    return array;
}

/* A function that every plugin of a kind has. */
struct negotiate_needed {
    const char *name;
    size_t offset;
};

#define NEEDED(kind, member)                                                                       \
    {                                                                                              \
        .name = #member, .offset = offsetof(struct iotify_##kind, member)                          \
    }

static const struct negotiate_needed needed_of_connector[] = {
    NEEDED(connector, open), NEEDED(connector, close), NEEDED(connector, connect)};
static const struct negotiate_needed needed_of_storage[] = {NEEDED(storage, open),
    NEEDED(storage, close), NEEDED(storage, get_many), NEEDED(storage, apply),
    NEEDED(storage, scan)};
static const struct negotiate_needed needed_of_transport[] = {NEEDED(transport, connection),
    NEEDED(transport, publish), NEEDED(transport, open), NEEDED(transport, close),
    NEEDED(transport, channel_new), NEEDED(transport, channel_free), NEEDED(transport, session_new),
    NEEDED(transport, session_connect), NEEDED(transport, session_publish),
    NEEDED(transport, session_disconnect), NEEDED(transport, session_free),
    NEEDED(transport, session_drop), NEEDED(transport, session_unwritten)};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Copy the operations into the host's structure, and check that it has what it must have. */
static const char *negotiate_take_table(struct arena *arena, const void *from, void *to,
    size_t to_size, size_t least, const struct negotiate_needed *needed, size_t count)
{
    uint32_t size;

    memcpy(&size, from, sizeof(size));
    if (size < least || size > UINT16_MAX)
        return arena_format(
            arena, "the struct_size of its operations is %u, not at least %zu", size, least);
    negotiate_copy_known(to, to_size, from, size);
    for (size_t i = 0; i < count; i++) {
        void *member;

        memcpy(&member, (const char *)to + needed[i].offset, sizeof(member));
        if (!member)
            return arena_format(arena, "its `%s` is NULL", needed[i].name);
    }
    return NULL;
}

static const char *negotiate_check_element(
    struct arena *arena, const char *member, uint32_t size, size_t least)
{
    return size >= least && size <= ELEMENT_MAX
               ? NULL
               : arena_format(arena, "its `%s` is %u, not at least %zu", member, size, least);
}

bool negotiate_name_valid(const char *name)
{
    return *name && strlen(name) <= 64 &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_")] == '\0';
}

static bool negotiate_knows_threads(enum iotify_threads threads)
{
    return threads >= IOTIFY_THREADS_SERIAL && threads <= IOTIFY_THREADS_PARALLEL;
}

static const char *negotiate_take_connector(struct arena *arena, struct plugin *plugin)
{
    struct iotify_connector *connector = &plugin->connector;
    const char *wrong = negotiate_take_table(arena, plugin->descriptor.operations, connector,
        sizeof(*connector), CONNECTOR_MIN, needed_of_connector, COUNT(needed_of_connector));

    if (!wrong)
        wrong = negotiate_check_element(arena, "write_size", connector->write_size, WRITE_MIN);
    if (!wrong)
        wrong = negotiate_check_element(
            arena, "record_write_size", connector->record_write_size, RECORD_WRITE_MIN);
    if (!wrong && !negotiate_knows_threads(connector->threads))
        wrong = "its `threads` is not valid";
    return wrong;
}

static const char *negotiate_take_storage(struct arena *arena, struct plugin *plugin)
{
    struct iotify_storage *storage = &plugin->storage;
    const char *wrong = negotiate_take_table(arena, plugin->descriptor.operations, storage,
        sizeof(*storage), STORAGE_MIN, needed_of_storage, COUNT(needed_of_storage));

    if (!wrong)
        wrong = negotiate_check_element(arena, "read_size", storage->read_size, READ_MIN);
    if (!wrong)
        wrong = negotiate_check_element(arena, "write_size", storage->write_size, WRITE_MIN);
    if (!wrong && (storage->durability < IOTIFY_DURABILITY_VOLATILE ||
                      storage->durability > IOTIFY_DURABILITY_DURABLE))
        wrong = "its `durability` is not valid";
    if (!wrong && !negotiate_knows_threads(storage->threads))
        wrong = "its `threads` is not valid";
    return wrong;
}

static const char *negotiate_check_protocols(struct arena *arena, const char *const *protocols)
{
    size_t count = 0;

    while (protocols && count < PROTOCOLS_MAX && protocols[count])
        if (!negotiate_name_valid(protocols[count++]))
            return arena_format(arena, "its protocol number %zu is not a valid name", count);
    return count == PROTOCOLS_MAX ? "its `protocols` do not end with NULL" : NULL;
}

static const char *negotiate_take_transport(struct arena *arena, struct plugin *plugin)
{
    struct iotify_transport *transport = &plugin->transport;
    const char *wrong = negotiate_take_table(arena, plugin->descriptor.operations, transport,
        sizeof(*transport), TRANSPORT_MIN, needed_of_transport, COUNT(needed_of_transport));

    if (!wrong && (transport->capabilities & ~(uint32_t)CAPABILITIES_KNOWN))
        wrong = "this iotifyd does not know its capabilities; it may need a newer one";
    if (!wrong)
        wrong = negotiate_check_protocols(arena, transport->protocols);
    if (!wrong)
        wrong = lint_settings(arena, transport->connection, "connection");
    return wrong ? wrong : lint_settings(arena, transport->publish, "publish");
}

/* NULL when the operations can be used, else the reason. */
static const char *negotiate_take_operations(struct arena *arena, struct plugin *plugin)
{
    if (!plugin->descriptor.operations)
        return "its `operations` is NULL";
    switch (plugin->descriptor.kind) {
    case IOTIFY_KIND_CONNECTOR:
        return negotiate_take_connector(arena, plugin);
    case IOTIFY_KIND_STORAGE:
        return negotiate_take_storage(arena, plugin);
    case IOTIFY_KIND_TRANSPORT:
        return negotiate_take_transport(arena, plugin);
    }
    return "its `kind` is not valid";
}

/* What is wrong with an action; the ones before it have been checked. NULL: nothing. */
static const char *negotiate_check_action(
    struct arena *arena, const struct plugin *plugin, uint32_t index)
{
    const struct iotify_action *action = &plugin->actions[index];

    if (!action->name || !negotiate_name_valid(action->name))
        return arena_format(arena, "its action number %u has no valid name", index + 1);
    if (!action->apply)
        return arena_format(arena, "its action %s has no `apply`", action->name);
    if (action->scope < IOTIFY_SCOPE_JOB || action->scope > IOTIFY_SCOPE_RECORD)
        return arena_format(arena, "the scope of its action %s is not valid", action->name);
    for (uint32_t i = 0; i < index; i++)
        if (strcmp(plugin->actions[i].name, action->name) == 0)
            return arena_format(arena, "it has two actions %s", action->name);
    return lint_settings(arena, action->settings, arena_format(arena, "action %s", action->name));
}

static const char *negotiate_take_actions(struct arena *arena, struct plugin *plugin)
{
    const struct iotify_plugin *descriptor = &plugin->descriptor;
    struct iotify_action *actions;
    const char *wrong = NULL;

    if (descriptor->action_count > COUNT_MAX || descriptor->default_step_count > COUNT_MAX ||
        (descriptor->action_count &&
            (!descriptor->actions || descriptor->action_size < ACTION_MIN)) ||
        (descriptor->default_step_count &&
            (!descriptor->default_steps || descriptor->default_step_size < STEP_MIN)))
        return "its table of actions is damaged";
    actions = arena_array(arena, descriptor->action_count, sizeof(*actions));
    for (uint32_t i = 0; i < descriptor->action_count; i++) {
        if (!descriptor->actions[i])
            return arena_format(arena, "its action number %u is NULL", i + 1);
        negotiate_copy_known(
            &actions[i], sizeof(actions[i]), descriptor->actions[i], descriptor->action_size);
        if (!actions[i].summary)
            actions[i].summary = "";
        if (!actions[i].settings)
            actions[i].settings = &no_settings;
    }
    plugin->actions = actions;
    plugin->default_steps =
        negotiate_copy_array(arena, descriptor->default_steps, descriptor->default_step_count,
            descriptor->default_step_size, sizeof(struct iotify_default_step));
    for (uint32_t i = 0; i < descriptor->action_count && !wrong; i++)
        wrong = negotiate_check_action(arena, plugin, i);
    for (uint32_t i = 0; i < descriptor->default_step_count && !wrong; i++) {
        const struct iotify_default_step *step = &plugin->default_steps[i];

        if (!step->pipeline || !step->step || !step->settings)
            wrong = arena_format(arena, "its default step number %u is not complete", i + 1);
    }
    return wrong;
}

const char *negotiate_head(struct arena *arena, const struct iotify_plugin *head, size_t size)
{
    if (head->magic != IOTIFY_MAGIC)
        return "it is not an iotify plugin (wrong magic number)";
    if (size < offsetof(struct iotify_plugin, kind))
        return "its descriptor is too short";
    if (head->abi_major != IOTIFY_ABI_MAJOR)
        return arena_format(arena,
            "it was built for plugin ABI %u.%u and this iotifyd has %d.%d; rebuild the plugin "
            "with this iotifyd's SDK",
            head->abi_major, head->abi_minor, IOTIFY_ABI_MAJOR, IOTIFY_ABI_MINOR);
    if (head->struct_size < DESCRIPTOR_MIN || head->struct_size > size)
        return "its descriptor is too short";
    if (head->needs_minor > IOTIFY_ABI_MINOR)
        return arena_format(arena,
            "it needs plugin ABI %d.%u and this iotifyd has %d.%d; use a newer iotifyd",
            IOTIFY_ABI_MAJOR, head->needs_minor, IOTIFY_ABI_MAJOR, IOTIFY_ABI_MINOR);
    return NULL;
}

const char *negotiate_plugin(
    struct arena *arena, struct plugin *plugin, const struct iotify_plugin *exported)
{
    const char *damaged;

    negotiate_copy_known(
        &plugin->descriptor, sizeof(plugin->descriptor), exported, exported->struct_size);
    if (!plugin->descriptor.name || strcmp(plugin->descriptor.name, plugin->name) != 0)
        return arena_format(arena, "it calls itself \"%s\"; the file must be named iotify-%s.so",
            plugin->descriptor.name ? plugin->descriptor.name : "",
            plugin->descriptor.name ? plugin->descriptor.name : "NAME");
    if (plugin->descriptor.kind < IOTIFY_KIND_CONNECTOR ||
        plugin->descriptor.kind > IOTIFY_KIND_TRANSPORT)
        return arena_format(
            arena, "it is of a kind (%d) that this iotifyd does not know", plugin->descriptor.kind);
    if (!plugin->descriptor.settings)
        plugin->descriptor.settings = &no_settings;
    damaged = lint_settings(arena, plugin->descriptor.settings, "the plugin");
    if (!damaged)
        damaged = negotiate_take_actions(arena, plugin);
    if (!damaged)
        damaged = negotiate_take_operations(arena, plugin);
    if (damaged)
        return damaged;
    if (!plugin->descriptor.version)
        plugin->descriptor.version = "?";
    if (!plugin->descriptor.summary)
        plugin->descriptor.summary = "";
    return NULL;
}
