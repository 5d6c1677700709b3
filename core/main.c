/* SPDX-License-Identifier: Apache-2.0 */
/* The program: process-wide setup, then the command. */
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "core/base/activity.h"
#include "core/base/arena.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/base/strict.h"
#include "core/cli/command.h"
#include "core/cli/exit_code.h"
#include "core/store/seal.h"

/*
 * Keys are in memory: no core dumps, and no ptrace by other processes of the user. The leak checker
 * of a sanitized build needs ptrace.
 */
static void main_guard_memory(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
#ifndef IOTIFY_SANITIZED
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* JSON trees may contain keys, so their memory is wiped. */
static void main_free_wiped(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

/* The registry, and programs that this one starts, find --plugin-path in the environment. */
static void main_set_plugin_path(const struct options_list *folders)
{
    const char *before = getenv("IOTIFY_PLUGIN_PATH");
    struct arena arena = {0};
    const char *path = "";

    for (size_t i = 0; i < folders->count; i++)
        path = arena_format(&arena, "%s%s%s", path, i ? ":" : "", folders->items[i]);
    if (folders->count)
        setenv("IOTIFY_PLUGIN_PATH",
            before && *before ? arena_format(&arena, "%s:%s", path, before) : path, 1);
    arena_clear(&arena);
}

/* False, after a message, when the environment asks for checks that there are none of. */
static bool main_check_environment(void)
{
    const char *checks = getenv(STRICT_VARIABLE);

    if (!checks || !*checks || strict_wanted())
        return true;
    fprintf(stderr, "iotifyd: %s is \"%s\", and can only be %s\n", STRICT_VARIABLE, checks,
        STRICT_VALUE);
    return false;
}

int main(int count, char **arguments)
{
    struct options options;
    int status = EXIT_USAGE;

    /*
     * By default JavaScriptCore ends an endless loop by a fault in compiled code, which fails
     * occasionally; polling in each iteration is reliable. Set before any thread or script context
     * exists.
     */
    setenv("JSC_usePollingTraps", "true", 1);
    seal_prepare();
    json_set_alloc_funcs(malloc, main_free_wiped);
    stop_install();
    if (options_parse(&options, count, arguments) && main_check_environment()) {
        bool json = options.log_format && strcmp(options.log_format, "json") == 0;

        log_setup(options.quiet     ? IOTIFY_LOG_WARNING
                  : options.verbose ? IOTIFY_LOG_DEBUG
                                    : IOTIFY_LOG_INFO,
            json ? LOG_JSON : LOG_TEXT);
        if (!options.debug)
            main_guard_memory();
        main_set_plugin_path(&options.plugin_path);
        activity_watch();
        status = command_dispatch(&options);
    }
    options_clear(&options);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "iotifyd: cannot write to the standard output: %s\n", strerror(errno));
        status = status == EXIT_DONE || status == EXIT_THRESHOLD ? EXIT_STEP_FAILED : status;
    }
    activity_exit(status);
}
