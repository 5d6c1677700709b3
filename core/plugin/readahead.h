/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read() of the whole program, so that a library which reads a connection byte by byte need not
 * enter the system for each of them: libmosquitto takes three calls for an acknowledgement.
 */
#ifndef CORE_PLUGIN_READAHEAD_H
#define CORE_PLUGIN_READAHEAD_H

/* See with_read_ahead in iotify/host.h. */
int readahead_with(int descriptor, int (*function)(void *argument), void *argument);

#endif
