/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/metric_names.h"

#include <ctype.h>
#include <string.h>

#define CALL "metric.add("
#define MEASURE "measure("

static void metric_names_add(
    struct metric_names *names, struct arena *arena, const char *name, size_t length)
{
    const char **grown;

    if ((names->count & (names->count - 1)) == 0) {
        grown = arena_array(arena, names->count ? names->count * 2 : 1, sizeof(*grown));
        if (names->count)
            memcpy(grown, names->names, names->count * sizeof(*grown));
        names->names = grown;
    }
    names->names[names->count++] = arena_copy(arena, name, length);
}

/* Does a word begin at `at` that is not the name of a member? */
static bool metric_names_begins_word(const char *text, const char *at)
{
    return at == text ||
           (!isalnum((unsigned char)at[-1]) && at[-1] != '_' && at[-1] != '$' && at[-1] != '.');
}

static bool metric_names_ends_word(char c)
{
    return !isalnum((unsigned char)c) && c != '_' && c != '$';
}

/* Add the literal name in quotes at `at`. False when that is not the whole argument. */
static bool metric_names_read_quoted(
    struct metric_names *names, struct arena *arena, const char *at)
{
    const char *end;

    at += strspn(at, " \t\r\n");
    if (*at != '"' && *at != '\'' && *at != '`')
        return false;
    end = strchr(at + 1, *at);
    if (!end || memchr(at, '$', (size_t)(end - at)) || memchr(at, '\\', (size_t)(end - at)))
        return false;
    metric_names_add(names, arena, at + 1, (size_t)(end - at) - 1);
    end++;
    end += strspn(end, " \t\r\n");
    /* The value of "a" + b is not known here. */
    return *end == ',' || *end == ')';
}

static void metric_names_read_text(
    struct metric_names *names, struct arena *arena, const char *text)
{
    const char *at = text;

    while (at && (at = strstr(at, "metric"))) {
        size_t length = strlen("metric");

        if (metric_names_begins_word(text, at) && metric_names_ends_word(at[length])) {
            if (strncmp(at, CALL, strlen(CALL)) != 0 ||
                !metric_names_read_quoted(names, arena, at + strlen(CALL)))
                names->any = true;
        }
        at += length;
    }
}

/* Add the metrics of the connectors' helpers: measure('name', …). */
static void metric_names_read_helpers(
    struct metric_names *names, struct arena *arena, const struct job *job)
{
    for (size_t i = 0; i < job->plugin_count; i++) {
        const struct plugin *plugin = job->plugins[i].plugin;
        const char *at =
            plugin->descriptor.kind == IOTIFY_KIND_CONNECTOR ? plugin->connector.helpers : NULL;

        while (at && (at = strstr(at, MEASURE))) {
            at += strlen(MEASURE);
            metric_names_read_quoted(names, arena, at);
        }
    }
}

static bool metric_names_calls_require(const struct template_file *template)
{
    if (template->library.text && strstr(template->library.text, "require"))
        return true;
    for (size_t i = 0; i < SCRIPT_FUNCTIONS; i++)
        if (template->code[i].text && strstr(template->code[i].text, "require"))
            return true;
    return false;
}

void metric_names_read(
    struct metric_names *names, struct arena *arena, const struct template_file *template)
{
    for (size_t i = 0; i < SCRIPT_FUNCTIONS; i++)
        metric_names_read_text(names, arena, template->code[i].text);
    for (size_t i = 0; i < template->stage_count; i++)
        metric_names_read_text(names, arena, template->stages[i].code.text);
    metric_names_read_text(names, arena, template->library.text);
    metric_names_read_helpers(names, arena, template->job);
    /* Other files are not searched. */
    names->any = names->any || template->script || metric_names_calls_require(template);
}
