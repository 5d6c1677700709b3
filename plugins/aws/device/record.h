/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of a device: what the connector created for it, stored by the host. The state says
 * how far the creation or removal got, so that the step can resume after an error. The functions
 * with a call block for the store; any thread, for the device of the call.
 */
#ifndef PLUGINS_AWS_DEVICE_RECORD_H
#define PLUGINS_AWS_DEVICE_RECORD_H

#include <jansson.h>

#include <iotify/host.h>

/*
 * Attributes that mark a thing as created by this job: the job's name, and the identifier of the
 * certificate that the thing was created for, which is unique. An existing thing that the job uses
 * (`adopt: true`) has THING_ADOPTED, with that identifier, instead of both.
 */
#define THING_JOB "iotify_job"
#define THING_CERTIFICATE "iotify_certificate"
#define THING_ADOPTED "iotify_adopted"

enum record_state {
    RECORD_NONE,     /* no record */
    RECORD_INTENT,   /* the key is stored, the certificate is being requested */
    RECORD_SEALED,   /* key and certificate are stored */
    RECORD_READY,    /* everything is created and attached */
    RECORD_DELETING, /* the removal has begun */
    RECORD_TOMBSTONE /* removed; kept until a listing has verified that */
};

/* Strings live in the call's arena; NULL: unknown. */
struct record {
    enum record_state state;
    const char *thing, *type, *group;
    const char *policy; /* NULL also when the policy is attached to the group */
    const char *key, *certificate, *certificate_id, *certificate_arn;
    const char *other; /* identifier of a second certificate, which the thing was found with */
    const char *key_name, *certificate_name; /* keys of the glob */
    int64_t created;            /* AWS's time before the first call, seconds since 1970 */
    bool doubt;                 /* AWS may have issued more than one certificate for the key */
    bool adopted;               /* the thing existed before, and is not removed */
    bool member;                /* the adopted thing was in the group before */
    bool repair;                /* a repair has begun: all parts have to be compared with AWS */
    struct iotify_bytes stored; /* as last read or written, for compare-and-set */
};

/*
 * Read the device's record; the state is RECORD_NONE when there is none. IOTIFY_RESULT_FAILED for a
 * record of another version.
 */
enum iotify_result record_load(struct iotify_call *call, struct record *record);
/*
 * Write the record. IOTIFY_RESULT_CONFLICT when another run changed it since it was loaded.
 * `with_glob`: write key and certificate to the glob in the same batch.
 */
enum iotify_result record_save(struct iotify_call *call, struct record *record, bool with_glob);
/* Write it as a tombstone, without key and certificate; the same batch deletes the glob entries. */
enum iotify_result record_bury(struct iotify_call *call, struct record *record);
/* Delete glob entries that a tombstone still has; IOTIFY_RESULT_UNCHANGED when there are none. */
enum iotify_result record_clear_glob(struct iotify_call *call, const struct record *record);
/* True when the glob does not have the record's key and certificate. */
bool record_misses_glob(struct iotify_call *call, const struct record *record);
/* Write key and certificate to the glob; IOTIFY_RESULT_UNCHANGED when it has them. */
enum iotify_result record_restore_glob(struct iotify_call *call, const struct record *record);

/*
 * The state of a record from host->records(). `*json` has all members, may be NULL, and is freed by
 * the caller. RECORD_NONE for a record of another version.
 */
enum record_state record_read(struct iotify_bytes stored, json_t **json);

#endif
