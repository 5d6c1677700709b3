/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replaces socketpair() in the whole program: it fails while the calling thread requested that, and
 * calls the system otherwise. It must be defined in the executable: other libraries would not find
 * a definition in a loaded object.
 */
#ifndef CORE_PLUGIN_SOCKETPAIR_H
#define CORE_PLUGIN_SOCKETPAIR_H

/* See struct iotify_socketpair_1 in iotify/extensions.h. May be nested. */
void *socketpair_without(void *(*function)(void *argument), void *argument);

#endif
