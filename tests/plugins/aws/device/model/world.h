/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model world for the connector's own code: AWS and the store in memory, with faults where a
 * schedule asks for them. The plugin itself is under test; only aws_send(), the host and OpenSSL
 * are replaced. One thread.
 *
 * A crash loses everything but AWS and the store: nothing has any effect until the next run begins
 * with a new instance.
 */
#ifndef TESTS_PLUGINS_AWS_DEVICE_MODEL_WORLD_H
#define TESTS_PLUGINS_AWS_DEVICE_MODEL_WORLD_H

#include <stdbool.h>
#include <stddef.h>

#include "plugins/aws/device/device_options.h"
#include "plugins/aws/instance.h"

enum { DEVICES = 1, POINTS_MAX = 4096 };

/* A fault at a call of AWS or a write to the store. */
enum fault {
    FAULT_NONE,
    FAULT_CRASH_BEFORE,
    FAULT_CRASH_AFTER,
    FAULT_NOT_DONE, /* a lost request; a full disk */
    FAULT_LOST_REPLY,
    FAULT_THROTTLE,
    FAULT_STOPPED,   /* the run is stopped: this call and later ones are not made, and it ends */
    FAULT_ABANDONED, /* the same, while AWS carries out this call */
    FAULT_OTHER_DEPLOYS, /* another run with the same store does all its work now */
    FAULT_OTHER_CLEANS
};

/*
 * The schedule: the choice at each point, in order; no faults beyond its end. Points are recorded
 * as they are reached, with their number of choices.
 */
struct schedule {
    unsigned char chosen[POINTS_MAX], choices[POINTS_MAX];
    size_t length, met;
    int faults, faults_max;
    bool others;  /* another run is among the choices */
    bool crashes; /* so are crashes and lost messages */
};

void world_reset(struct schedule *schedule, const struct device_options *options);
void world_clear(void);

/* One run with its own connector instance. True when it succeeded. */
bool world_deploy(void);
bool world_cleanup(void);
/* Write records of what AWS has of the job, as for a cleanup without the store. */
bool world_recover(void);
/* Keep a copy of the store; set it back to the copy, or lose it if there is none. */
void world_back_up(void);
void world_set_back(void);
/* What somebody changes by hand. */
enum drift_by_hand {
    BY_HAND_NOTHING,
    BY_HAND_DELETE_THING,
    BY_HAND_DELETE_CERTIFICATE,
    BY_HAND_DETACH_POLICY,
    BY_HAND_DETACH_THING,
    BY_HAND_LEAVE_GROUP,
    BY_HAND_LOSE_GLOB,
    BY_HAND_DEACTIVATE,
    BY_HAND_DRIFTS /* the number of them */
};
/* Change it, and set the repair mode that the next deploys need for it. */
void world_drift(enum drift_by_hand drift);
/* A choice of the schedule that is no fault. */
size_t world_pick(size_t choices);
/* Let detachments take effect late from now on. */
void world_be_slow(void);
/* Disable faults and other runs from now on, or enable them again. */
void world_be_alone(bool alone);

/* The number of certificates that are active, or inactive. */
size_t world_certificates(bool active);
/* NULL if a record names every active certificate, else what is wrong. */
const char *world_flaw(void);
/* NULL if every device exists once, ready, attached and with its key, else what is wrong. */
const char *world_deployed_flaw(void);
/* NULL if only foreign things are left, and inactive certificates of AWS that a warning named. */
const char *world_clean_flaw(void);

#endif
