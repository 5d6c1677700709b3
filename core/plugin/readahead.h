/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replaces read() in the whole program, so that a library that reads a connection byte by byte does
 * not need a system call for each byte: libmosquitto reads an acknowledgement in three calls. Any
 * thread.
 */
#ifndef CORE_PLUGIN_READAHEAD_H
#define CORE_PLUGIN_READAHEAD_H

/* See struct iotify_read_ahead_1 in iotify/extensions.h. */
int readahead_with(int descriptor, int (*function)(void *argument), void *argument);

#endif
