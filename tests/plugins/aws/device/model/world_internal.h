/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the model's world share. */
#ifndef TESTS_PLUGINS_AWS_DEVICE_MODEL_WORLD_INTERNAL_H
#define TESTS_PLUGINS_AWS_DEVICE_MODEL_WORLD_INTERNAL_H

#include <jansson.h>

#include "plugins/aws/device/certificate.h"
#include "plugins/aws/device/record.h"
#include "plugins/aws/instance.h"
#include "tests/plugins/aws/device/model/world.h"

#define CERTIFICATES_MAX 64
#define TEXT 160
#define TRIES_MAX 5

struct certificate {
    bool there, active, has_policy, has_thing;
    int detaching;  /* attempts to delete it that come before its detachments take effect */
    bool mentioned; /* a warning named it */
    int key;
    char id[65], pem[TEXT];
};

struct thing {
    bool there, in_group;
    bool foreign;                      /* it existed before the run */
    char certificate[65], adopted[65]; /* the marks */
};

struct entry {
    char *value; /* NULL: absent */
};

/* Indexes of entries: records of devices, the job's, and two glob entries per device. */
enum {
    RECORDS = 0,
    JOB = DEVICES,
    KEYS = DEVICES + 1,
    CERTS = KEYS + DEVICES,
    ENTRIES = CERTS + DEVICES
};

extern struct world {
    struct schedule *schedule;
    struct device_options options;
    struct certificate certificates[CERTIFICATES_MAX];
    size_t certificate_count;
    struct thing things[DEVICES];
    struct entry store[ENTRIES];
    struct entry backup[ENTRIES];
    int keys; /* made so far */
    bool crashed, nested, alone;
    bool stopped; /* no calls any more, but the store is still written */
    unsigned repair_mode;
    bool slow;     /* detachments take effect late */
    bool disowned; /* the store was lost or set back: AWS may have more than it knows */
} world;

struct block {
    struct block *next;
    max_align_t data[];
};

/* A call as the model's host sees it. */
struct model_call {
    struct iotify_call base;
    struct block *blocks;
    bool later;
    int later_stage;
};

void *world_take(struct iotify_call *call, size_t size);
/* The fault at this point; FAULT_CRASH_BEFORE at every point after a crash. */
enum fault world_choose(bool write);
int world_key_of(const char *text);
void world_make_id(int number, char id[65]);
struct certificate *world_find_certificate(const char *id);
enum iotify_result world_record_get(struct iotify_call *call, struct iotify_bytes *out);
enum iotify_result world_glob_get(
    struct iotify_call *call, const char *key, struct iotify_bytes *out);
enum iotify_result world_record_set(struct iotify_call *call, struct iotify_bytes expected,
    struct iotify_bytes value, struct iotify_write *globs, size_t count);
enum iotify_result world_glob_apply(
    struct iotify_call *call, struct iotify_write *writes, size_t count);
enum iotify_result world_records(struct iotify_call *call,
    enum iotify_result (*found)(void *argument, const struct iotify_record *record),
    void *argument);
enum iotify_result world_records_write(
    struct iotify_call *call, const struct iotify_record_write *writes, size_t count);

#endif
