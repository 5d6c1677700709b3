/* The real broker behind the front: a mosquitto on a socket in the sandbox's own folder. */
#ifndef SANDBOX_BROKER_H
#define SANDBOX_BROKER_H

#include <stdbool.h>
#include <sys/types.h>

struct broker {
    pid_t pid;
    char socket[108];
};

/* Start it and wait until it listens. False after a message on stderr. */
bool broker_start(struct broker *broker, const char *folder);
/* Ask it to end and wait for it. */
void broker_stop(struct broker *broker);

#endif
