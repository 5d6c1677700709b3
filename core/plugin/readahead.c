/* SPDX-License-Identifier: Apache-2.0 */
/* The fortified headers define read() as an inline function. */
#undef _FORTIFY_SOURCE
#include "core/plugin/readahead.h"

#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef IOTIFY_SANITIZED

/* A sanitizer intercepts read() to learn which memory it wrote, so it must not be replaced. */
int readahead_with(int descriptor, int (*function)(void *argument), void *argument)
{
    (void)descriptor;
    return function(argument);
}

#else

#define AHEAD 4096

static _Thread_local struct {
    bool on;
    int descriptor;
    size_t at, size;
    char bytes[AHEAD];
} ahead;

static ssize_t readahead_system_read(int descriptor, void *data, size_t size)
{
    return syscall(SYS_read, descriptor, data, size);
}

__attribute__((visibility("default"))) ssize_t read(int descriptor, void *data, size_t size)
{
    ssize_t got;

    if (!ahead.on || descriptor != ahead.descriptor)
        return readahead_system_read(descriptor, data, size);
    if (ahead.at == ahead.size) {
        if (size >= AHEAD)
            return readahead_system_read(descriptor, data, size);
        got = readahead_system_read(descriptor, ahead.bytes, AHEAD);
        if (got <= 0)
            return got;
        ahead.at = 0;
        ahead.size = (size_t)got;
    }
    if (size > ahead.size - ahead.at)
        size = ahead.size - ahead.at;
    memcpy(data, ahead.bytes + ahead.at, size);
    ahead.at += size;
    return (ssize_t)size;
}

int readahead_with(int descriptor, int (*function)(void *argument), void *argument)
{
    int result;

    ahead.on = true;
    ahead.descriptor = descriptor;
    ahead.at = ahead.size = 0;
    do
        result = function(argument);
    while (result == 0 && ahead.at < ahead.size);
    ahead.on = false;
    return result;
}

#endif
