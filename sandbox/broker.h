/* SPDX-License-Identifier: Apache-2.0 */
/* The real broker behind the front: a mosquitto on a socket in the sandbox's own folder. */
#ifndef SANDBOX_BROKER_H
#define SANDBOX_BROKER_H

#include <stdbool.h>
#include <sys/types.h>

struct broker {
    pid_t pid;
    char socket[108]; /* its path */
    char log[4200];
};

struct broker_options {
    const char *folder; /* for its socket and configuration */
    bool keep;          /* retained messages and sessions, in the folder */
    int lock;           /* a descriptor that it keeps open as long as it runs; -1: none */
};

/* Start it and wait until it listens. False after a message on stderr. */
bool broker_start(struct broker *broker, const struct broker_options *options);
/* False once, after a message on stderr, when it has ended by itself. */
bool broker_runs(struct broker *broker);
/* Remove what it kept in the folder. */
void broker_forget(const char *folder);
/* Ask it to end and wait for it. */
void broker_stop(struct broker *broker);

#endif
