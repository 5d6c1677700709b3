/* SPDX-License-Identifier: Apache-2.0 */
#include "core/template/template_internal.h"

#include <string.h>

#include "core/base/digest.h"
#include "core/base/suggest.h"
#include "core/base/text.h"

const struct template_key template_keys[] = {
    {.name = "init", .type = "function body", .help = "run once per client, before it connects"},
    {.name = "message",
        .type = "function body",
        .help = "run in each iteration; what it returns is sent"},
    {.name = "response",
        .type = "function body",
        .help = "run for each message that the client receives"},
    {.name = "finish",
        .type = "function body",
        .help = "run once per client, before it disconnects"},
    {.name = "transport",
        .type = "text",
        .help = "alias of a transport, name of a transport plugin, or none; default: mqtt"},
    {.name = "connection", .type = "mapping", .help = "settings of the transport's connection"},
    {.name = "publish", .type = "mapping", .help = "settings of the transport for each message"},
    {.name = "subscribe",
        .type = "list of texts",
        .help = "what the client subscribes to when it connects"},
    {.name = "library",
        .type = "code, or a .js file",
        .help = "code whose functions and constants all functions can use"},
    {.name = "script",
        .type = "a .js file",
        .help = "file with the functions, in place of their bodies here"},
    {.name = "stages",
        .type = "mapping",
        .help = "named functions that take turns in place of message"},
    {.name = "data",
        .type = "a .csv or .jsonl file",
        .help = "file with one row per client, `device` in functions"},
};
const size_t template_key_count = sizeof(template_keys) / sizeof(template_keys[0]);

struct template_loader {
    struct template_file *template;
    const struct job *job;
    struct diagnostics *diagnostics;
    struct binder binder;
    const struct node *root;
};

static void template_check_keys(struct template_loader *loader)
{
    for (size_t i = 0; i < loader->root->count; i++) {
        const struct node *key = loader->root->pairs[i].key;
        struct suggest suggest;
        bool known = false;

        suggest_init(&suggest, key->text);
        for (size_t j = 0; j < template_key_count; j++) {
            known = known || strcmp(template_keys[j].name, key->text) == 0;
            suggest_offer(&suggest, template_keys[j].name);
        }
        if (!known)
            diagnostics_add(loader->diagnostics, key->location,
                "unknown setting \"%s\" in the template%s", key->text, suggest_hint(&suggest, ""));
    }
}

static void template_find_transport(struct template_loader *loader, const char *override)
{
    const struct node *node = node_get(loader->root, "transport");
    struct location location = node ? node->location : loader->root->location;
    const char *name = override ? override : TEMPLATE_TRANSPORT;

    if (!override && node && !node_is_empty(node)) {
        if (node->kind != NODE_SCALAR || !*node->text) {
            diagnostics_add(loader->diagnostics, location,
                "\"transport\" takes the alias of a transport plugin, or none");
            return;
        }
        name = node->text;
    }
    loader->template->transport = template_transport(
        loader->job, name, location, &loader->template->arena, loader->diagnostics);
}

/* `%d` stands for the client's index, as in IoTIFY's templates, but not inside an expression. */
static const char *template_expand(struct template_loader *loader, const char *text)
{
    struct iotify_buffer out;
    const char *expanded;
    bool inside = false;

    if (!strstr(text, "%d"))
        return text;
    iotify_buffer_init(&out, 1 << 24);
    for (; *text; text++) {
        inside = strncmp(text, "{{", 2) == 0 || (inside && strncmp(text, "}}", 2) != 0);
        if (!inside && strncmp(text, "%d", 2) == 0) {
            iotify_buffer_string(&out, "{{client()}}");
            text++;
        } else {
            iotify_buffer_char(&out, *text);
        }
    }
    expanded = arena_string(&loader->template->arena, iotify_buffer_text(&out));
    iotify_buffer_clear(&out);
    return expanded;
}

/* Expand `%d` in the settings with these roles: topics and the client id. */
static void template_expand_settings(
    struct template_loader *loader, const char *key, const struct iotify_settings *settings)
{
    static const enum iotify_role roles[] = {IOTIFY_ROLE_CLIENT_ID, IOTIFY_ROLE_TOPIC};
    const struct node *map = node_get(loader->root, key);
    struct iotify_setting setting;

    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        struct node *node = schema_find_role(settings, roles[i], IOTIFY_TYPE_STRING, &setting)
                                ? schema_given(map, setting.name)
                                : NULL;

        if (node && node->kind == NODE_SCALAR)
            node->text = template_expand(loader, node->text);
    }
}

static const void *template_bind(struct template_loader *loader, const char *key,
    const struct iotify_settings *settings, struct schema_expression **expressions)
{
    const struct node *map = node_get(loader->root, key);

    return schema_bind(&loader->binder, settings, map,
        arena_format(&loader->template->arena, "\"%s\"", key),
        map ? map->location : loader->root->location, NULL, expressions);
}

/* Without a single connector, only the template can name the endpoint. */
static void template_need_host(
    struct template_loader *loader, const struct iotify_settings *settings)
{
    const struct node *map = node_get(loader->root, "connection");
    struct iotify_setting host;

    if (!loader->job->connector && !schema_names_host(settings, map) &&
        schema_find_role(settings, IOTIFY_ROLE_HOST, IOTIFY_TYPE_STRING, &host))
        diagnostics_add(loader->diagnostics, map ? map->location : loader->root->location,
            "\"connection\" needs the setting \"%s\": no single connector of the job gives an "
            "endpoint",
            host.name);
}

/* A template with message() needs a topic. */
static void template_need_topic(
    struct template_loader *loader, const struct iotify_settings *settings)
{
    const struct node *map = node_get(loader->root, "publish");
    const struct node *message = node_get(loader->root, "message");
    struct iotify_setting topic;

    if (!node_is_empty(message) &&
        schema_find_role(settings, IOTIFY_ROLE_TOPIC, IOTIFY_TYPE_STRING, &topic) && !topic.value &&
        node_is_empty(schema_given(map, topic.name)))
        diagnostics_add(loader->diagnostics, map ? map->location : message->location,
            "\"publish\" needs the setting \"%s\": where the messages go", topic.name);
}

static void template_bind_subscriptions(struct template_loader *loader)
{
    const struct node *list = node_get(loader->root, "subscribe");
    struct template_file *template = loader->template;

    if (node_is_empty(list))
        return;
    if (!(template->transport->plugin->transport.capabilities & IOTIFY_CAPABILITY_SUBSCRIBE)) {
        template->cannot_subscribe = true;
        return;
    }
    if (list->kind != NODE_LIST) {
        diagnostics_add(
            loader->diagnostics, list->location, "\"subscribe\" takes a list of topics");
        return;
    }
    template->subscriptions =
        arena_array(&template->arena, list->count, sizeof(*template->subscriptions));
    for (size_t i = 0; i < list->count; i++) {
        const struct node *item = list->items[i];

        if (item->kind != NODE_SCALAR || !*item->text)
            diagnostics_add(loader->diagnostics, item->location,
                "\"subscribe\" takes a list of topics, not %s in it", node_kind_name(item));
        else
            template->subscriptions[template->subscription_count++] =
                (struct subscription){template_expand(loader, item->text), item->location};
    }
}

/* The first line of a block: the line after `|`, and the indent that YAML removed. */
static struct location template_block_location(const struct node *node)
{
    struct location location = node->location;
    const char *at = text_line(node->source->text, node->location.line + 1);

    location.line = node->location.line + 1;
    location.column = 1;
    for (; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        size_t indent = strspn(at, " ");

        if (at[indent] == '\n' || at[indent] == '\r')
            continue;
        /* A line that begins with blanks in the text is indented further. */
        location.column = (int)(indent - strspn(node->text + strspn(node->text, "\r\n"), " ")) + 1;
        break;
    }
    return location;
}

static bool template_names_file(const struct node *node, const char *end)
{
    size_t length = strlen(node->text), size = strlen(end);

    return !node->block && length > size && strcmp(node->text + length - size, end) == 0 &&
           strcspn(node->text, " \t\n(){};") == length;
}

/* Take code that is written in the template itself; nothing when `node` is empty. */
static void template_take_code(struct template_loader *loader, const char *key,
    const struct node *node, struct script_code *code)
{
    struct location location;

    if (node_is_empty(node))
        return;
    if (node->kind != NODE_SCALAR) {
        diagnostics_add(loader->diagnostics, node->location,
            "\"%s\" takes the body of a function as text, not %s; write it as a block after |", key,
            node_kind_name(node));
        return;
    }
    if (template_names_file(node, ".js")) {
        diagnostics_add(loader->diagnostics, node->location,
            "\"%s\" takes the body of a function; a file with functions goes under \"script\": "
            "script: %s",
            key, node->text);
        return;
    }
    location = node->block ? template_block_location(node) : node->location;
    if (!node->block && !node->plain)
        location.column++;
    *code =
        (struct script_code){node->text, location, source_map_new(&loader->template->arena, node)};
}

static void template_take_functions(struct template_loader *loader)
{
    for (size_t i = 0; i < SCRIPT_FUNCTIONS; i++)
        template_take_code(loader, template_keys[i].name,
            node_get(loader->root, template_keys[i].name), &loader->template->code[i]);
}

/* Resolve a path against the template's folder. */
static const char *template_beside(struct template_loader *loader, const char *path)
{
    struct template_file *template = loader->template;

    return *path == '/' || !*template->folder
               ? path
               : arena_format(&template->arena, "%s/%s", template->folder, path);
}

/* The library is code, or the name of a .js file. */
static void template_take_library(struct template_loader *loader)
{
    const struct node *node = node_get(loader->root, "library");
    struct template_file *template = loader->template;
    const struct source *source;

    if (node_is_empty(node) || node->kind != NODE_SCALAR || !template_names_file(node, ".js")) {
        template_take_code(loader, "library", node, &template->library);
        return;
    }
    source = source_read(
        &template->arena, loader->diagnostics, template_beside(loader, node->text), node->text);
    if (source)
        template->library = (struct script_code){source->text, {source->name, 1, 1}, NULL};
}

static const char *template_take_path(
    struct template_loader *loader, const char *key, struct location *location)
{
    const struct node *node = node_get(loader->root, key);

    if (node_is_empty(node))
        return NULL;
    *location = node->location;
    if (node->kind == NODE_SCALAR)
        return template_beside(loader, node->text);
    diagnostics_add(loader->diagnostics, node->location,
        "\"%s\" takes the name of a file in the template's folder", key);
    return NULL;
}

/* The stages Init and Finished are other names for init() and finish(). */
static void template_take_stage(struct template_loader *loader, const struct node_pair *pair)
{
    struct template_file *template = loader->template;
    const char *name = pair->key->text;
    struct script_stage *stage;

    if (strcmp(name, "Init") == 0) {
        template_take_code(loader, name, pair->value, &template->code[SCRIPT_INIT]);
    } else if (strcmp(name, "Finished") == 0) {
        template_take_code(loader, name, pair->value, &template->code[SCRIPT_FINISH]);
    } else {
        stage = &template->stages[template->stage_count++];
        *stage = (struct script_stage){name, {"", pair->key->location, NULL}};
        template_take_code(loader, name, pair->value, &stage->code);
    }
}

static void template_take_stages(struct template_loader *loader)
{
    const struct node *map = node_get(loader->root, "stages");
    struct template_file *template = loader->template;

    if (node_is_empty(map))
        return;
    if (map->kind != NODE_MAP) {
        diagnostics_add(loader->diagnostics, map->location,
            "\"stages\" takes a mapping of stages to the bodies of their functions");
        return;
    }
    for (size_t i = 0; i < SCRIPT_FUNCTIONS; i++) {
        const struct node *other = node_get(loader->root, template_keys[i].name);

        if (i != SCRIPT_RESPONSE && !node_is_empty(other))
            diagnostics_add(loader->diagnostics, other->location,
                "\"%s\" and \"stages\" exclude each other: it is the stage %s",
                template_keys[i].name,
                i == SCRIPT_INIT     ? "Init"
                : i == SCRIPT_FINISH ? "Finished"
                                     : "that runs");
    }
    template->stages = arena_array(&template->arena, map->count, sizeof(*template->stages));
    for (size_t i = 0; i < map->count; i++)
        template_take_stage(loader, &map->pairs[i]);
    if (template->stage_count == 0)
        diagnostics_add(loader->diagnostics, map->location,
            "\"stages\" needs a stage that runs, besides Init and Finished");
}

/* ------------------------------------------------------------------ compiling */

static void template_try_expressions(
    struct template_loader *loader, struct script *script, const struct schema_expression *list)
{
    for (; list; list = list->next)
        script_expression(
            script, list->setting.name, list->text, list->location, loader->diagnostics);
}

/*
 * Compile everything once in a temporary context, so that errors are reported before the run
 * starts.
 */
static void template_try_scripts(struct template_loader *loader)
{
    static const struct script_services services = {0};
    struct template_file *template = loader->template;
    struct script_facts facts = {
        .job = loader->job->options->name, .time_limit = INT64_C(1000000000)};
    struct script *script;

    template_facts(template, &facts);
    script = script_new(&services, &facts);
    if (!script) {
        diagnostics_add(
            loader->diagnostics, loader->root->location, "the script engine cannot start");
        return;
    }
    template_compile(template, script, loader->diagnostics);
    template->rows = script_rows(script);
    template_try_expressions(loader, script, template->connection_expressions);
    template_try_expressions(loader, script, template->publish_expressions);
    for (size_t i = 0; i < template->subscription_count; i++)
        if (!expression_is_constant(template->subscriptions[i].text))
            script_expression(script, "subscribe", template->subscriptions[i].text,
                template->subscriptions[i].location, loader->diagnostics);
    script_free(script);
}

bool template_load(struct template_file *template, const struct job *job, const char *path,
    const char *file, const char *transport, struct diagnostics *diagnostics)
{
    struct template_loader loader = {.template = template, .job = job, .diagnostics = diagnostics};
    size_t before = diagnostics->count;
    const struct source *source;

    *template = (struct template_file){.file = file, .job = job};
    template->folder = strrchr(path, '/')
                           ? arena_copy(&template->arena, path, (size_t)(strrchr(path, '/') - path))
                           : "";
    source = source_read(&template->arena, diagnostics, path, template->file);
    if (source)
        template->digest = digest_text(&template->arena, source->text, source->size);
    loader.root = source ? tree_parse(&template->arena, diagnostics, source) : NULL;
    if (!loader.root)
        return false;
    if (loader.root->kind != NODE_MAP || loader.root->count == 0) {
        diagnostics_add(diagnostics, loader.root->location, "a template is a mapping, not %s",
            loader.root->count ? node_kind_name(loader.root) : "nothing");
        return false;
    }
    loader.binder = (struct binder){.arena = &template->arena,
        .diagnostics = diagnostics,
        .directory = job->directory,
        .name = job->options->name};
    template_check_keys(&loader);
    template_find_transport(&loader, transport);
    if (template->transport) {
        const struct iotify_transport *operations = &template->transport->plugin->transport;

        template_expand_settings(&loader, "connection", operations->connection);
        template_expand_settings(&loader, "publish", operations->publish);
        template->connection_node = node_get(loader.root, "connection");
        template->connection = template_bind(
            &loader, "connection", operations->connection, &template->connection_expressions);
        template->publish =
            template_bind(&loader, "publish", operations->publish, &template->publish_expressions);
        template_bind_subscriptions(&loader);
        if (diagnostics->count == before)
            template_check_settings(template, loader.root, diagnostics);
        template_need_host(&loader, operations->connection);
        template_need_topic(&loader, operations->publish);
    }
    template_take_functions(&loader);
    template_take_library(&loader);
    template_take_stages(&loader);
    template->script = template_take_path(&loader, "script", &template->script_location);
    template->data = template_take_path(&loader, "data", &template->data_location);
    template_try_scripts(&loader);
    return diagnostics->count == before && !job->registry->refused;
}
