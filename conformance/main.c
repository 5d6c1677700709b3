/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iotify-plugin-test NAME [--set KEY=VALUE] [--durability]: does a plugin keep the contract? Behind
 * `iotifyd plugins test`. Reports its cases in the Test Anything Protocol; exit status 0, 1 when a
 * case failed, 2 on bad usage.
 */
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conformance/suite.h"
#include "core/base/activity.h"
#include "core/base/log.h"
#include "core/base/program.h"
#include "core/base/stop.h"
#include "core/base/strict.h"
#include "core/settings/override.h"

static int main_usage(const char *text)
{
    fprintf(stderr,
        "iotify-plugin-test: %s\n"
        "usage: iotifyd plugins test NAME [--set KEY=VALUE]... [--durability] [--case TEXT]\n",
        text);
    return 2;
}

static void main_set(struct suite *suite, const char *text)
{
    struct diagnostics diagnostics = {0};

    override_apply(&suite->arena, &diagnostics, suite->settings, text);
    if (diagnostics.count) {
        diagnostics_print(&diagnostics, stderr);
        activity_exit(2);
    }
    diagnostics_clear(&diagnostics);
}

static int main_remove(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

/* The folder of this process, removed however it ends. */
static char main_folder[4096];
static pid_t main_process;

static void main_remove_folder(void)
{
    if (*main_folder && getpid() == main_process)
        nftw(main_folder, main_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static int main_run(struct suite *suite, const char *name, const char *generation)
{
    const char *base = getenv("TMPDIR"), *text;
    char *folder = arena_format(
        &suite->arena, "%s/iotify-conformance-XXXXXX", base && *base == '/' ? base : "/tmp");
    const char *given = getenv("IOTIFY_CONFORMANCE_FOLDER");
    int status;

    if (registry_load(&suite->registry, name, &suite->plugin, &text) != REGISTRY_OK)
        return main_usage(text);
    if (suite->only && suite->plugin->descriptor.kind == IOTIFY_KIND_CONNECTOR)
        return main_usage("--case is for storages and transports: each case of a connector "
                          "continues where the one before has ended");
    suite->folder = generation ? given : mkdtemp(folder);
    if (!suite->folder)
        return main_usage("cannot make a folder in $TMPDIR, or in /tmp");
    setenv("IOTIFY_CONFORMANCE_FOLDER", suite->folder, 1);
    if (!generation) {
        snprintf(main_folder, sizeof(main_folder), "%s", suite->folder);
        main_process = getpid();
        atexit(main_remove_folder);
    }
    if (generation)
        return storage_suite_writer(suite, generation);
    printf("TAP version 13\n# the %s plugin %s %s, %s\n",
        plugin_kind_name(suite->plugin->descriptor.kind), name, suite->plugin->descriptor.version,
        suite->plugin->path);
    switch (suite->plugin->descriptor.kind) {
    case IOTIFY_KIND_STORAGE:
        storage_suite(suite);
        break;
    case IOTIFY_KIND_TRANSPORT:
        transport_suite(suite);
        break;
    case IOTIFY_KIND_CONNECTOR:
        connector_suite(suite);
        break;
    }
    status = suite_end(suite);
    return status;
}

/* Some cases have thousands of connections. */
static void main_raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int count, char **arguments)
{
    struct suite suite = {.argument_count = count, .arguments = arguments};
    struct diagnostics diagnostics = {0};
    const char *name = NULL, *generation = NULL;
    int status;

    stop_install();
    main_raise_limit();
    log_setup(IOTIFY_LOG_WARNING, LOG_TEXT);
    setenv(STRICT_VARIABLE, STRICT_VALUE, 1);
    registry_init(&suite.registry);
    suite.program =
        arena_format(&suite.arena, "%s/iotify-plugin-test", program_folder(&suite.arena));
    suite.settings = tree_parse_text(&suite.arena, &diagnostics, "--set", "{}");
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--durability") == 0)
            suite.durability = true;
        else if (strcmp(arguments[i], "--case") == 0 && i + 1 < count)
            suite.only = arguments[++i];
        else if (strcmp(arguments[i], "--set") == 0 && i + 1 < count)
            main_set(&suite, arguments[++i]);
        else if (strcmp(arguments[i], "--writer") == 0 && i + 1 < count)
            generation = arguments[++i];
        else if (*arguments[i] == '-' || name)
            return main_usage(arena_format(&suite.arena, "%s is not valid here", arguments[i]));
        else
            name = arguments[i];
    }
    if (!name)
        return main_usage("which plugin?");
    activity_watch();
    status = main_run(&suite, name, generation);
    registry_clear(&suite.registry);
    arena_clear(&suite.arena);
    activity_exit(status);
}
