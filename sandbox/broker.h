/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MQTT broker that the listeners forward to: a mosquitto process on a Unix socket. Main
 * thread.
 */
#ifndef SANDBOX_BROKER_H
#define SANDBOX_BROKER_H

#include <stdbool.h>
#include <sys/types.h>

struct broker {
    pid_t pid;        /* 0: not running */
    char socket[108]; /* path */
    char log[4200];   /* path */
};

struct broker_options {
    const char *folder; /* for its socket, configuration and log */
    bool keep;          /* retained messages and sessions survive, in the folder */
    int lock;           /* descriptor that the broker inherits and keeps open; -1: none */
};

/* Start mosquitto and wait up to 5 s until it listens. False after a message on stderr. */
bool broker_start(struct broker *broker, const struct broker_options *options);
/* False, after a message on stderr, at the first call after the process ended by itself. */
bool broker_runs(struct broker *broker);
/* Delete the retained messages and sessions in the folder. */
void broker_forget(const char *folder);
/* Terminate the process, by SIGKILL after 3 s, and wait for it. */
void broker_stop(struct broker *broker);

#endif
