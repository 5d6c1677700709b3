/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's own socketpair(): the real one, except while the calling thread asked for a
 * failure. It has to live in the executable: a definition in a loaded object would not be found
 * by another library.
 */
#ifndef CORE_PLUGIN_SOCKETPAIR_H
#define CORE_PLUGIN_SOCKETPAIR_H

/* See without_socketpair in iotify/host.h. Nests. */
void *socketpair_without(void *(*function)(void *argument), void *argument);

#endif
