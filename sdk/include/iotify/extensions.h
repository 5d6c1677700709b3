/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Abilities of the host that serve particular libraries, and that not every host has. A plugin asks
 * for each by its name, and works without it:
 *
 *     const struct iotify_read_ahead_1 *ahead =
 *         call->host->extension(call, IOTIFY_EXTENSION_READ_AHEAD_1);
 *
 * The number at the end of a name is its version: a table never changes, another one gets another
 * name. Any thread, with or without a call.
 */
#ifndef IOTIFY_EXTENSIONS_H
#define IOTIFY_EXTENSIONS_H

#ifdef __cplusplus
extern "C" {
#endif

#define IOTIFY_EXTENSION_SOCKETPAIR_1 "iotify.socketpair/1"

struct iotify_socketpair_1 {
    /*
     * Call `function` while socketpair() fails on this thread with EMFILE, for a library that opens
     * a pair of sockets per session and works without it, as libmosquitto does. Returns the result
     * of `function`. May be nested.
     */
    void *(*without)(void *(*function)(void *argument), void *argument);
};

#define IOTIFY_EXTENSION_READ_AHEAD_1 "iotify.read-ahead/1"

struct iotify_read_ahead_1 {
    /*
     * Call `function` while read() from `descriptor` on this thread is buffered, for a library that
     * reads a few bytes at a time; call it again while it returns 0 and buffered bytes are left.
     * Returns the last result; bytes that are left then are lost. Must not be nested.
     */
    int (*with)(int descriptor, int (*function)(void *argument), void *argument);
};

#ifdef __cplusplus
}
#endif

#endif
