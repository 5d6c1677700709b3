/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world for the connector's own code: AWS and the store in memory, with faults where a schedule
 * asks for them. What is under test is the code of the plugin itself; only the wire (aws_send), the
 * host and OpenSSL are replaced. One thread.
 *
 * A crash is the loss of everything but AWS and the store: from then on nothing has any effect,
 * until the next run begins with a new instance.
 */
#ifndef TESTS_PLUGINS_AWS_DEVICE_MODEL_WORLD_H
#define TESTS_PLUGINS_AWS_DEVICE_MODEL_WORLD_H

#include <stdbool.h>
#include <stddef.h>

#include "plugins/aws/instance.h"

enum { DEVICES = 1, POINTS_MAX = 4096 };

/* What may happen at a call of AWS or a write to the store. */
enum fault {
    FAULT_NONE,
    FAULT_CRASH_BEFORE,
    FAULT_CRASH_AFTER,
    FAULT_NOT_DONE, /* a lost request; a full disk */
    FAULT_LOST_REPLY,
    FAULT_THROTTLE,
    FAULT_OTHER_DEPLOYS, /* another run with the same store does all its work now */
    FAULT_OTHER_CLEANS
};

/*
 * The schedule: what is chosen at each point, in order. Beyond its end nothing happens. Points are
 * recorded as they are met, with how many choices each had.
 */
struct schedule {
    unsigned char chosen[POINTS_MAX], choices[POINTS_MAX];
    size_t length, met;
    int faults, faults_max;
    bool others;  /* another run is among the choices */
    bool crashes; /* crashes and lost messages are */
};

void world_reset(struct schedule *schedule, const struct device_options *options);
void world_clear(void);

/* The steps of a run: each makes an instance of its own. True when it ended well. */
bool world_deploy(void);
bool world_cleanup(void);
/* No other run does anything from now on, and no fault happens; or again. */
void world_be_alone(bool alone);

/* What there is. */
size_t world_certificates(bool active);
/* No certificate that can connect is without its key in the store, and every tie is there. */
const char *world_flaw(void);
/* Every device is there once, ready, tied and with its key; NULL when so. */
const char *world_deployed_flaw(void);
/* Nothing is there; inactive certificates only where the issuer is AWS, and then reported. */
const char *world_clean_flaw(void);

#endif
