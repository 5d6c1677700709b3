/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/import.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iotify/buffer.h>

#include "core/base/arena.h"
#include "core/cli/exit_code.h"

#define TEXT_MAX (16u << 20)
#define CLIENTS 10

struct import {
    const json_t *given;           /* the member "json" of the export */
    const char *name;              /* of the files, without their end */
    struct iotify_buffer template; /* the text of the template file */
    struct iotify_buffer notes;    /* what could not be carried over, a line each */
    bool shared_id;                /* all clients would have the same id */
    struct arena arena;
};

static void import_note(struct import *import, const char *member, const char *why)
{
    iotify_buffer_format(&import->notes, "  %s: %s\n", member, why);
}

/* ------------------------------------------------------------------ members of the export */

/* "options.clientId" */
static const json_t *import_find(const struct import *import, const char *path)
{
    const char *dot = strchr(path, '.');

    if (!dot)
        return json_object_get(import->given, path);
    return json_object_get(json_object_getn(import->given, path, (size_t)(dot - path)), dot + 1);
}

/* A text that is not empty; NULL: there is none. */
static const char *import_text(const struct import *import, const char *path)
{
    const char *text = json_string_value(import_find(import, path));

    return text && *text ? text : NULL;
}

static bool import_is_empty(const json_t *value)
{
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && !*json_string_value(value)) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

/* Members that import.c reads, or that say nothing more. */
static const char *const import_known[] = {"name", "message", "messageString", "options", "custom",
    "topic", "protocol", "transport", "host", "endpoint", "msgOptions", "options.username",
    "options.password", "options.key", "options.cert", "options.ca", "options.rejectUnauthorized",
    "options.clientId", "options.keepalive", "options.connectTimeout", "custom.init",
    "custom.initString", "custom.finish", "custom.finishString", "custom.sub", "custom.subString",
    "custom.subscribe", "msgOptions.qos", "msgOptions.retain", NULL};

static bool import_knows(const char *path)
{
    for (size_t i = 0; import_known[i]; i++)
        if (strcmp(import_known[i], path) == 0)
            return true;
    return false;
}

static void import_note_unknown(struct import *import, const char *prefix, const json_t *object)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        char path[200];

        snprintf(path, sizeof(path), "%s%s", prefix, name);
        if (!import_knows(path) && !import_is_empty(value))
            import_note(import, path, "a template has no such setting here");
    }
}

/* ------------------------------------------------------------------ the template */

/* A text as YAML writes it between quotes, which is as in JSON. */
static void import_quote(struct import *import, const char *text)
{
    json_t *value = json_string(text);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

    iotify_buffer_string(&import->template, quoted ? quoted : "\"\"");
    free(quoted);
    json_decref(value);
}

static void import_setting(struct import *import, const char *name, const char *path)
{
    const char *text = import_text(import, path);

    if (!text)
        return;
    iotify_buffer_format(&import->template, "  %s: ", name);
    import_quote(import, text);
    iotify_buffer_char(&import->template, '\n');
}

/* "broker.example:1883", or the endpoint "mqtt://broker.example:1883". */
static void import_address(struct import *import)
{
    const char *address = import_text(import, "host"), *slashes, *colon;
    char *host;

    if (!address)
        address = import_text(import, "endpoint");
    if (!address) {
        import_note(import, "host", "is missing; set connection.host in the template");
        return;
    }
    slashes = strstr(address, "://");
    host = arena_string(&import->arena, slashes ? slashes + 3 : address);
    host[strcspn(host, "/")] = '\0';
    colon = strrchr(host, ':');
    if (colon && colon[1] && colon[1 + strspn(colon + 1, "0123456789")] == '\0') {
        iotify_buffer_format(&import->template, "  port: %s\n", colon + 1);
        host[colon - host] = '\0';
    }
    iotify_buffer_string(&import->template, "  host: ");
    import_quote(import, host);
    iotify_buffer_char(&import->template, '\n');
}

static bool import_uses_tls(const struct import *import)
{
    const char *transport = import_text(import, "transport");
    const char *endpoint = import_text(import, "endpoint");

    return (transport && strcmp(transport, "mqtts") == 0) ||
           (!transport && endpoint && strncmp(endpoint, "mqtts:", 6) == 0) ||
           import_text(import, "options.cert");
}

static void import_connection(struct import *import)
{
    const char *id = import_text(import, "options.clientId");
    const json_t *keepalive = import_find(import, "options.keepalive");
    const json_t *timeout = import_find(import, "options.connectTimeout");

    iotify_buffer_string(&import->template, "connection:\n");
    import_address(import);
    iotify_buffer_format(
        &import->template, "  tls: %s\n", import_uses_tls(import) ? "true" : "false");
    if (json_is_false(import_find(import, "options.rejectUnauthorized")))
        iotify_buffer_string(&import->template, "  verify: false\n");
    iotify_buffer_string(&import->template, "  client_id: ");
    import_quote(import, id ? id : "client_%d");
    iotify_buffer_char(&import->template, '\n');
    import->shared_id = id && !strstr(id, "%d") && !strstr(id, "{{");
    if (import->shared_id)
        import_note(import, "options.clientId",
            "is the same for all clients; the job has one client, until you put %d into it");
    import_setting(import, "username", "options.username");
    import_setting(import, "password", "options.password");
    import_setting(import, "key", "options.key");
    import_setting(import, "cert", "options.cert");
    import_setting(import, "ca", "options.ca");
    if (json_number_value(keepalive) >= 5)
        iotify_buffer_format(
            &import->template, "  keepalive: %.0fs\n", json_number_value(keepalive));
    if (json_number_value(timeout) >= 1)
        iotify_buffer_format(&import->template, "  timeout: %.0fms\n", json_number_value(timeout));
}

static void import_publish(struct import *import)
{
    double qos = json_number_value(import_find(import, "msgOptions.qos"));

    iotify_buffer_string(&import->template, "publish:\n");
    import_setting(import, "topic", "topic");
    if (qos > 1)
        import_note(import, "msgOptions.qos", "2 is not supported; the template has 1");
    iotify_buffer_format(&import->template, "  qos: %d\n", qos >= 1 ? 1 : 0);
    if (json_is_true(import_find(import, "msgOptions.retain")))
        iotify_buffer_string(&import->template, "  retain: true\n");
}

static void import_subscriptions(struct import *import)
{
    const json_t *given = import_find(import, "custom.subscribe");
    json_t *list = json_is_array(given) ? json_incref((json_t *)given)
                                        : json_pack("[O]", given ? given : json_null());

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *topic = json_string_value(json_array_get(list, i));

        if (!topic || !*topic)
            continue;
        iotify_buffer_string(&import->template, i ? "  - " : "subscribe:\n  - ");
        import_quote(import, topic);
        iotify_buffer_char(&import->template, '\n');
    }
    json_decref(list);
}

/* The code between the braces of a block, as a block of YAML. */
static void import_function(
    struct import *import, const char *name, const char *written, const char *minified)
{
    const char *text = import_text(import, written), *at;
    size_t size;

    if (!text)
        text = import_text(import, minified);
    if (!text)
        return;
    text += strspn(text, " \t\r\n");
    size = strlen(text);
    while (size > 0 && strchr(" \t\r\n", text[size - 1]))
        size--;
    if (size >= 2 && text[0] == '{' && text[size - 1] == '}') {
        text++;
        size -= 2;
    }
    while (size > 0 && (*text == '\n' || *text == '\r')) {
        text++;
        size--;
    }
    if (size == 0)
        return;
    iotify_buffer_format(&import->template, "%s: |2\n", name);
    for (at = text; at < text + size; at++) {
        size_t line = strcspn(at, "\r\n"), left = (size_t)(text + size - at);

        line = line < left ? line : left;
        if (line)
            iotify_buffer_format(&import->template, "  %.*s", (int)line, at);
        iotify_buffer_char(&import->template, '\n');
        at += line;
        if (at < text + size && *at == '\r' && at[1] == '\n')
            at++;
    }
}

static void import_make_template(struct import *import)
{
    const char *protocol = import_text(import, "protocol");

    if (protocol && strcmp(protocol, "mqtt") != 0) {
        iotify_buffer_string(&import->template, "transport: none\n");
        import_note(import, "protocol",
            "there is no transport for it; the template runs its functions without connecting");
    } else {
        import_connection(import);
        import_publish(import);
        import_subscriptions(import);
    }
    import_function(import, "init", "custom.initString", "custom.init");
    import_function(import, "message", "messageString", "message");
    import_function(import, "response", "custom.subString", "custom.sub");
    import_function(import, "finish", "custom.finishString", "custom.finish");
    import_note_unknown(import, "", import->given);
    import_note_unknown(import, "options.", json_object_get(import->given, "options"));
    import_note_unknown(import, "custom.", json_object_get(import->given, "custom"));
    import_note_unknown(import, "msgOptions.", json_object_get(import->given, "msgOptions"));
}

/* ------------------------------------------------------------------ the files */

static bool import_write(const char *path, const char *text, bool force)
{
    int descriptor =
        open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), S_IRUSR | S_IWUSR);
    FILE *stream = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    bool good = stream && fputs(text, stream) >= 0;

    if (stream && fclose(stream) != 0)
        good = false;
    if (good)
        printf("wrote %s\n", path);
    else
        fprintf(stderr, "iotifyd: cannot write %s: %s%s\n", path, strerror(errno),
            errno == EEXIST ? "; add --force to overwrite it" : "");
    return good;
}

/* Both or none: the names are tried before anything is written. */
static bool import_write_all(struct import *import, const struct options *options)
{
    const char *folder = options->output ? options->output : ".";
    const char *separator = strcmp(folder, ".") == 0 ? "" : "/";
    const char *prefix = *separator ? folder : "";
    const char *job = arena_format(&import->arena, "%s%s%s.yaml", prefix, separator, import->name);
    const char *template =
        arena_format(&import->arena, "%s%s%s-template.yaml", prefix, separator, import->name);
    const char *text = arena_format(&import->arena,
        "# Imported from a template of IoTIFY, which says nothing about runs: set what you need.\n"
        "devices: %d\n"
        "plugins:\n"
        "  glob: {use: sqlite}\n"
        "pipelines:\n"
        "  simulate:\n"
        "    - simulate: {template: \"%s-template.yaml\", iterations: 10, interval: 1s}\n"
        "run: [simulate]\n",
        import->shared_id ? 1 : CLIENTS, import->name);

    if (mkdir(folder, S_IRWXU) != 0 && errno != EEXIST) {
        fprintf(stderr, "iotifyd: cannot make the folder %s: %s\n", folder, strerror(errno));
        return false;
    }
    if (!options->force && (access(job, F_OK) == 0 || access(template, F_OK) == 0)) {
        fprintf(stderr, "iotifyd: %s already exists; add --force to overwrite it\n",
            access(job, F_OK) == 0 ? job : template);
        return false;
    }
    if (!import_write(template, iotify_buffer_text(&import->template), options->force) ||
        !import_write(job, text, options->force))
        return false;
    if (import->notes.size)
        printf("not carried over unchanged:\n%s", iotify_buffer_text(&import->notes));
    printf("next: iotifyd --check %s\n", job);
    return true;
}

/* The name of the template with the characters that a job's name may have. */
static const char *import_name(struct import *import, const json_t *root)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const char *given = import_text(import, "name");
    char *name;

    if (!given)
        given = json_string_value(json_object_get(root, "name"));
    name = arena_string(&import->arena, given && *given ? given : "imported");
    for (char *at = name; *at; at++)
        if (!strchr(allowed, *at))
            *at = '_';
    if (strlen(name) > 60)
        name[60] = '\0';
    return name;
}

int command_import(const struct options *options)
{
    struct import import = {0};
    json_error_t error;
    json_t *root;
    bool good;

    if (options->word_count != 1) {
        fprintf(stderr, "iotifyd: import takes one file\n");
        return EXIT_USAGE;
    }
    root = json_load_file(options->words[0], JSON_REJECT_DUPLICATES, &error);
    import.given = json_object_get(root, "json");
    if (!json_is_object(import.given)) {
        if (root)
            fprintf(stderr,
                "%s: not a template that IoTIFY exported: there is no object \"json\"\n",
                options->words[0]);
        else
            fprintf(stderr, "%s:%d:%d: %s\n", options->words[0], error.line < 0 ? 0 : error.line,
                error.column < 0 ? 0 : error.column, error.text);
        json_decref(root);
        return EXIT_USAGE;
    }
    iotify_buffer_init(&import.template, TEXT_MAX);
    iotify_buffer_init(&import.notes, TEXT_MAX);
    import.name = import_name(&import, root);
    import_make_template(&import);
    good = !import.template.failed && import_write_all(&import, options);
    if (import.template.failed)
        fprintf(stderr, "%s: the template is too large\n", options->words[0]);
    iotify_buffer_wipe(&import.template);
    iotify_buffer_clear(&import.notes);
    arena_clear(&import.arena);
    json_decref(root);
    return good ? EXIT_DONE : EXIT_STEP_FAILED;
}
