/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The template file that simulates the deployed devices. Its first line contains a hash of the
 * rest, by which a file that the user has changed is recognised and kept.
 */
#include "plugins/aws/template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <iotify/buffer.h>

#include "plugins/aws/instance.h"
#include "plugins/shared/aws/sigv4.h"

#define FILE_MAX (1024 * 1024)
#define FIRST_LINE "# Made by iotifyd; change it as you like, your changes are kept. "

struct aws_template_options {
    const char *file;
};

static const struct iotify_setting items[] = {
    {.name = "file",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_PATH | IOTIFY_FLAG_WRITES,
        .offset = offsetof(struct aws_template_options, file),
        .value = "aws_iotify.yaml",
        .help = "the template file, relative to the job file"},
};
static const struct iotify_settings settings = IOTIFY_SETTINGS(items, struct aws_template_options);

/* Append a character of a double-quoted string, in the syntax that YAML and JavaScript share. */
static void aws_template_put_escaped(char character, struct iotify_buffer *out)
{
    if ((unsigned char)character < ' ') {
        iotify_buffer_format(out, "\\u%04x", (unsigned)(unsigned char)character);
        return;
    }
    if (character == '"' || character == '\\')
        iotify_buffer_char(out, '\\');
    iotify_buffer_char(out, character);
}

/* Append "a_{{client()}}_key" as JavaScript: "a_" + client() + "_key". */
static void aws_template_to_javascript(const char *text, struct iotify_buffer *out)
{
    bool first = true;

    while (*text) {
        const char *open = strstr(text, "{{"), *close = open == text ? strstr(text, "}}") : NULL;
        size_t length = open ? (size_t)(open - text) : strlen(text);

        iotify_buffer_string(out, first ? "" : " + ");
        first = false;
        if (close) {
            bool plain = (size_t)(close - text) == strlen("{{client()") &&
                         strncmp(text, "{{client()", strlen("{{client()")) == 0;

            iotify_buffer_string(out, plain ? "" : "(");
            iotify_buffer_append(out, text + 2, (size_t)(close - text) - 2);
            iotify_buffer_string(out, plain ? "" : ")");
            text = close + 2;
            continue;
        }
        if (open == text)
            length = 2;
        iotify_buffer_char(out, '"');
        for (size_t i = 0; i < length; i++)
            aws_template_put_escaped(text[i], out);
        iotify_buffer_char(out, '"');
        text += length;
    }
}

/* Append a double-quoted YAML string. */
static void aws_template_quoted(
    const char *text, const char *before, const char *after, struct iotify_buffer *out)
{
    iotify_buffer_char(out, '"');
    iotify_buffer_string(out, before);
    for (; *text; text++)
        aws_template_put_escaped(*text, out);
    iotify_buffer_string(out, after);
    iotify_buffer_char(out, '"');
}

static void aws_template_build_body(const struct aws_names *names, struct iotify_buffer *out)
{
    const char *thing = names->thing ? names->thing : AWS_DEFAULT_THING;

    iotify_buffer_string(out,
        "#\n"
        "# The behaviour of the devices that this job deployed. All settings: docs/templates.md.\n"
        "# To try it without a network: iotifyd --preview JOB.yaml\n"
        "\n"
        "# Where devices connect; without a host it is the endpoint of the account.\n"
        "transport: mqtt\n"
        "connection:\n"
        "  client_id: ");
    aws_template_quoted(thing, "", "", out);
    iotify_buffer_string(out, " # the thing's name\n"
                              "  key: \"{{state.__$key}}\"\n"
                              "  cert: \"{{state.__$cert}}\"\n"
                              "\n"
                              "# Where messages go, and where answers come from.\n"
                              "publish:\n"
                              "  topic: ");
    aws_template_quoted(thing, "iotify/", "/telemetry", out);
    iotify_buffer_string(out, "\n  qos: 1\nsubscribe:\n  - ");
    aws_template_quoted(thing, "iotify/", "/commands", out);
    iotify_buffer_string(out,
        "\n\n"
        "# Once for each device, before any connects: its key and certificate. Names that begin\n"
        "# with __$ stay out of logs, results and JSON.stringify(state).\n"
        "init: |\n"
        "  state.__$key  = glob.get(");
    aws_template_to_javascript(names->key ? names->key : AWS_DEFAULT_KEY, out);
    iotify_buffer_string(out, ");\n  state.__$cert = glob.get(");
    aws_template_to_javascript(names->cert ? names->cert : AWS_DEFAULT_CERT, out);
    iotify_buffer_string(out,
        ");\n"
        "\n"
        "# Each message: what it returns is sent. This is the part to change.\n"
        "message: |\n"
        "  state.temperature = volatile({key: \"temperature\", min: 18, max: 30, delta: 0.5});\n"
        "  return JSON.stringify({client: client(), n: index(), temperature: state.temperature});\n"
        "\n"
        "# Each message that comes in.\n"
        "response: |\n"
        "  console.log(topic, response.toString());\n"
        "\n"
        "# Once at the end, before the device disconnects.\n"
        "finish: \"\"\n");
}

static bool aws_template_build(const struct aws_names *names, struct iotify_buffer *out)
{
    struct iotify_buffer body;
    char digest[65];
    bool good;

    iotify_buffer_init(&body, FILE_MAX);
    aws_template_build_body(names, &body);
    good = !body.failed && sigv4_sha256(body.data, body.size, digest);
    iotify_buffer_format(out, FIRST_LINE "%.16s\n%s", digest, iotify_buffer_text(&body));
    iotify_buffer_clear(&body);
    return good && !out->failed;
}

/* True when the hash in the first line matches the rest. */
static bool aws_template_is_untouched(const struct iotify_buffer *file)
{
    const char *text = iotify_buffer_text(file), *rest = strchr(text, '\n');
    char digest[65];

    if (!rest || strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) != 0 ||
        !sigv4_sha256(rest + 1, file->size - (size_t)(rest + 1 - text), digest))
        return false;
    return strncmp(text + strlen(FIRST_LINE), digest, 16) == 0 &&
           rest - text == (long)strlen(FIRST_LINE) + 16;
}

/* Read a file. 1: done; 0: the file does not exist; -1: an error, in errno. */
static int aws_template_read_file(const char *path, struct iotify_buffer *out)
{
    FILE *stream = fopen(path, "re");
    char chunk[4096];
    size_t got;
    int result = 1;

    if (!stream)
        return errno == ENOENT ? 0 : -1;
    while ((got = fread(chunk, 1, sizeof(chunk), stream)) > 0)
        iotify_buffer_append(out, chunk, got);
    if (ferror(stream) || out->failed)
        result = -1;
    fclose(stream);
    return result;
}

/* Write to a temporary file and rename it, so that the template is never incomplete. */
static enum iotify_result aws_template_write_file(
    struct iotify_call *call, const char *path, const struct iotify_buffer *text)
{
    struct iotify_buffer temporary;
    FILE *stream = NULL;
    bool good = false;
    int descriptor, error;

    iotify_buffer_init(&temporary, 8192);
    iotify_buffer_format(&temporary, "%s.writing", path);
    descriptor =
        open(iotify_buffer_text(&temporary), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor >= 0)
        stream = fdopen(descriptor, "w");
    if (stream) {
        good = fwrite(text->data, 1, text->size, stream) == text->size;
        good = fflush(stream) == 0 && fsync(descriptor) == 0 && good;
        good = fclose(stream) == 0 && good;
        good = good && rename(iotify_buffer_text(&temporary), path) == 0;
    }
    error = errno;
    if (!good && descriptor >= 0)
        unlink(iotify_buffer_text(&temporary));
    iotify_buffer_clear(&temporary);
    if (good)
        return IOTIFY_RESULT_OK;
    return call->host->fail(call, error == ENOSPC ? IOTIFY_RESULT_FULL : IOTIFY_RESULT_FAILED,
        "TemplateFile", "cannot write %s: %s", path, strerror(error));
}

static enum iotify_result aws_template_keep_changed(
    struct iotify_call *call, const char *path, const struct iotify_buffer *text)
{
    struct iotify_buffer beside;
    enum iotify_result result;

    iotify_buffer_init(&beside, 8192);
    iotify_buffer_format(&beside, "%s.new", path);
    result = aws_template_write_file(call, iotify_buffer_text(&beside), text);
    if (result == IOTIFY_RESULT_OK) {
        call->host->log(call, IOTIFY_LOG_INFO,
            "%s was changed by hand and is kept; the new text is in %s", path,
            iotify_buffer_text(&beside));
        result = IOTIFY_RESULT_UNCHANGED;
    }
    iotify_buffer_clear(&beside);
    return result;
}

static enum iotify_result aws_template_apply(void *given, struct iotify_call *call)
{
    const struct aws_instance *instance = given;
    const struct aws_template_options *options = call->arguments;
    struct iotify_buffer wanted, current;
    enum iotify_result result;
    int found;

    iotify_buffer_init(&wanted, FILE_MAX);
    iotify_buffer_init(&current, FILE_MAX);
    found = aws_template_read_file(options->file, &current);
    if (!aws_template_build(&instance->names, &wanted))
        result =
            call->host->fail(call, IOTIFY_RESULT_FAILED, "Template", "cannot make the template");
    else if (found < 0)
        result = call->host->fail(call, IOTIFY_RESULT_FAILED, "TemplateFile", "cannot read %s: %s",
            options->file, strerror(errno));
    else if (found == 0)
        result = aws_template_write_file(call, options->file, &wanted);
    else if (current.size == wanted.size && memcmp(current.data, wanted.data, wanted.size) == 0)
        result = IOTIFY_RESULT_UNCHANGED;
    else if (aws_template_is_untouched(&current))
        result = aws_template_write_file(call, options->file, &wanted);
    else
        result = aws_template_keep_changed(call, options->file, &wanted);
    iotify_buffer_clear(&wanted);
    iotify_buffer_clear(&current);
    return result;
}

const struct iotify_action aws_template_action = {
    .name = "template",
    .summary = "write a template that simulates the devices",
    .scope = IOTIFY_SCOPE_JOB,
    .settings = &settings,
    .apply = aws_template_apply,
};
