/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that do not return. WRONG in the environment, for example "apply-exit", names one and
 * what it does: `crash`, `abort`, `exit` (with the status 0),
 * `thread` (a thread that it starts does that), or `hang`, which says so on stderr.
 */
#ifndef TESTS_PLUGINS_WRONG_ENDS_H
#define TESTS_PLUGINS_WRONG_ENDS_H

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void *ends_exit(void *argument)
{
    (void)argument;
    exit(0);
}

static inline void ends(const char *operation)
{
    const char *wrong = getenv("WRONG");
    size_t length = strlen(operation);

    if (!wrong || strncmp(wrong, operation, length) != 0 || wrong[length] != '-')
        return;
    wrong += length + 1;
    if (strcmp(wrong, "crash") == 0)
        raise(SIGSEGV);
    if (strcmp(wrong, "abort") == 0)
        abort();
    if (strcmp(wrong, "exit") == 0)
        exit(0);
    if (strcmp(wrong, "thread") == 0) {
        pthread_t thread;

        pthread_create(&thread, NULL, ends_exit, NULL);
        for (;;)
            pause();
    }
    if (strcmp(wrong, "hang") == 0) {
        ssize_t ignored = write(STDERR_FILENO, "hangs\n", 6);

        (void)ignored;
        for (;;)
            pause();
    }
}

/* When the host loads the plugin. */
__attribute__((constructor)) static void ends_load(void)
{
    ends("load");
}

#endif
