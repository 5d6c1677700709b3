/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into iotifyd by the crash tests: counts points before and after every fsync(),
 * fdatasync() and send(), and after every recv() of data, and kills the process at the point that
 * CRASH_AT names. CRASH_COUNT names a file that gets the number of points when the program ends.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static atomic_long points;

static void point(void)
{
    const char *at = getenv("CRASH_AT");

    if (atomic_fetch_add(&points, 1) + 1 == (at ? atol(at) : 0))
        kill(getpid(), SIGKILL);
}

/* The functions that these wrap. */
static int (*next_fsync)(int descriptor);
static int (*next_fdatasync)(int descriptor);
static ssize_t (*next_send)(int socket, const void *data, size_t size, int flags);
static ssize_t (*next_recv)(int socket, void *data, size_t size, int flags);

static void find(const char *name, void *pointer)
{
    /* ISO C cannot convert the result of dlsym() to a function pointer: write to its memory. */
    *(void **)pointer = dlsym(RTLD_NEXT, name);
}

static void begin(void) __attribute__((constructor));
static void begin(void)
{
    find("fsync", &next_fsync);
    find("fdatasync", &next_fdatasync);
    find("send", &next_send);
    find("recv", &next_recv);
}

EXPORT int fsync(int descriptor)
{
    int result;

    point();
    result = next_fsync(descriptor);
    point();
    return result;
}

EXPORT int fdatasync(int descriptor)
{
    int result;

    point();
    result = next_fdatasync(descriptor);
    point();
    return result;
}

/* A request is sent. */
EXPORT ssize_t send(int socket, const void *data, size_t size, int flags)
{
    ssize_t result;

    point();
    result = next_send(socket, data, size, flags);
    point();
    return result;
}

/* An answer was received: a crash here is as if it had been lost. */
EXPORT ssize_t recv(int socket, void *data, size_t size, int flags)
{
    ssize_t result = next_recv(socket, data, size, flags);

    if (result > 0)
        point();
    return result;
}

static void end(void) __attribute__((destructor));
static void end(void)
{
    const char *path = getenv("CRASH_COUNT");
    FILE *stream = path ? fopen(path, "we") : NULL;

    if (stream) {
        fprintf(stream, "%ld\n", atomic_load(&points));
        fclose(stream);
    }
}
