/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance/suite.h"

#include <dirent.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/activity.h"
#include "core/base/stop.h"
#include "core/settings/binder.h"
#include "core/settings/schema.h"

static pthread_mutex_t suite_lock = PTHREAD_MUTEX_INITIALIZER;

const void *suite_bind(struct suite *suite, const struct iotify_settings *settings, const char *key)
{
    struct diagnostics diagnostics = {0};
    struct binder binder = {.arena = &suite->arena,
        .diagnostics = &diagnostics,
        .directory = suite->folder,
        .name = "conformance"};
    static const char *const others[] = {"connection", "publish", NULL};
    const struct node *map = key ? node_get(suite->settings, key) : suite->settings;
    const void *options = schema_bind(&binder, settings, map,
        arena_format(&suite->arena, "plugin %s", suite->plugin->name),
        (struct location){"--set", 1, 1}, key ? NULL : others, NULL);

    if (diagnostics.count) {
        diagnostics_print(&diagnostics, stderr);
        activity_exit(2);
    }
    diagnostics_clear(&diagnostics);
    return options;
}

void suite_case(struct suite *suite, const char *name,
    void (*run)(struct suite *suite, const void *data), const void *data)
{
    struct activity before;

    if (stop_requested()) {
        fprintf(stderr, "iotify-plugin-test: interrupted\n");
        activity_exit(128 + stop_requested());
    }
    suite->why = suite->skipped = NULL;
    if (suite->only && !strstr(name, suite->only))
        return;
    /* What a plugin returns may be what crashes the suite. */
    activity_note(name);
    before = suite->plugin->descriptor.kind == IOTIFY_KIND_CONNECTOR
                 ? activity_pause()
                 : activity_begin(suite->plugin->name, SUITE_OPERATION);
    run(suite, data);
    activity_end(before);
    suite->count++;
    suite->failed += suite->why != NULL;
    printf("%sok %d - %s", suite->why ? "not " : "", suite->count, name);
    if (suite->skipped && !suite->why)
        printf(" # SKIP %s", suite->skipped);
    printf("\n");
    if (suite->why)
        printf("# %s\n", suite->why);
    suite->skips += suite->skipped && !suite->why;
    /* Nobody reads any more. */
    if (fflush(stdout) != 0)
        activity_exit(2);
}

bool suite_check(struct suite *suite, bool good, const char *format, ...)
{
    va_list arguments;

    if (good)
        return true;
    pthread_mutex_lock(&suite_lock);
    if (!suite->why) {
        va_start(arguments, format);
        suite->why = arena_vformat(&suite->arena, format, arguments);
        va_end(arguments);
    }
    pthread_mutex_unlock(&suite_lock);
    return false;
}

void suite_skip(struct suite *suite, const char *why)
{
    suite->skipped = why;
}

int suite_end(struct suite *suite)
{
    if (suite->count == 0) {
        fprintf(stderr, "iotify-plugin-test: no case has \"%s\" in its name\n", suite->only);
        return 2;
    }
    printf("1..%d\n", suite->count);
    printf("# %d of %d passed", suite->count - suite->failed, suite->count);
    if (suite->skips)
        printf(", %d of them skipped", suite->skips);
    printf("\n");
    return suite->failed ? 1 : 0;
}

int suite_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}
