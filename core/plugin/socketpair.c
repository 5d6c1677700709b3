/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plugin/socketpair.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Thread_local int refused;

__attribute__((visibility("default"))) int socketpair(
    int domain, int type, int protocol, int pair[2])
{
    if (refused) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_socketpair, domain, type, protocol, pair);
}

void *socketpair_without(void *(*function)(void *argument), void *argument)
{
    void *result;

    refused++;
    result = function(argument);
    refused--;
    return result;
}
