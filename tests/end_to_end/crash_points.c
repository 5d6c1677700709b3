/*
 * Preloaded into iotifyd by the crash tests: counts the points before and after every durable
 * write and every message of a call, and kills the process at the one that CRASH_AT names. Without
 * it, CRASH_COUNT names a file that gets the number of points when the program ends.
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

/* A function behind this one, as a pointer of its own type. */
#define NEXT(name)                                                                                 \
    static __typeof__(&(name)) next;                                                               \
    if (!next)                                                                                     \
    *(void **)&next = dlsym(RTLD_NEXT, #name)

EXPORT int fsync(int descriptor)
{
    NEXT(fsync);
    int result;

    point();
    result = next(descriptor);
    point();
    return result;
}

EXPORT int fdatasync(int descriptor)
{
    NEXT(fdatasync);
    int result;

    point();
    result = next(descriptor);
    point();
    return result;
}

/* A request goes. */
EXPORT ssize_t send(int socket, const void *data, size_t size, int flags)
{
    NEXT(send);
    ssize_t result;

    point();
    result = next(socket, data, size, flags);
    point();
    return result;
}

/* An answer is there: what follows is as if it had been lost. */
EXPORT ssize_t recv(int socket, void *data, size_t size, int flags)
{
    NEXT(recv);
    ssize_t result = next(socket, data, size, flags);

    if (result > 0)
        point();
    return result;
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("CRASH_COUNT");
    FILE *stream = path ? fopen(path, "we") : NULL;

    if (stream) {
        fprintf(stream, "%ld\n", atomic_load(&points));
        fclose(stream);
    }
}
