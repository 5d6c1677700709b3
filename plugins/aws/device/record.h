/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of a device: what the connector made for one client, kept by the host. Its state
 * says how far it got, so that the same step goes on after any failure.
 */
#ifndef PLUGINS_AWS_DEVICE_RECORD_H
#define PLUGINS_AWS_DEVICE_RECORD_H

#include <jansson.h>

#include <iotify/host.h>

/*
 * The attributes by which a thing is known as this job's own: the job's name, and the identifier
 * of the certificate that the thing was made for, which nobody else can have come up with. A thing
 * that was there before and was taken in bears THING_ADOPTED instead of both.
 */
#define THING_JOB "iotify_job"
#define THING_CERTIFICATE "iotify_certificate"
#define THING_ADOPTED "iotify_adopted"

enum record_state {
    RECORD_NONE,     /* nothing was made */
    RECORD_INTENT,   /* the key is stored, the certificate is being asked for */
    RECORD_SEALED,   /* key and certificate are stored */
    RECORD_READY,    /* everything is made and attached */
    RECORD_DELETING, /* being taken away */
    RECORD_TOMBSTONE /* taken away; stays until a listing has shown that */
};

/* Strings live in the call's arena; NULL where not known. */
struct record {
    enum record_state state;
    const char *thing, *type, *group;
    const char *policy; /* NULL too where the group has it */
    const char *key, *certificate, *certificate_id, *certificate_arn;
    const char *key_name, *certificate_name; /* in the glob */
    int64_t created;                         /* seconds since 1970, before the first call */
    bool doubt;                 /* more than one certificate may have been made of the key */
    bool adopted;               /* the thing was there before, and stays */
    bool member;                /* and was in the group before */
    struct iotify_bytes stored; /* as read or written last; for compare-and-set */
};

/* Read the client's record; state RECORD_NONE when there is none. */
enum iotify_result record_load(struct iotify_call *call, struct record *record);
/*
 * Write it, provided that nobody else did since. `with_glob`: put key and certificate into the
 * glob in the same batch.
 */
enum iotify_result record_save(struct iotify_call *call, struct record *record, bool with_glob);
/* Make it a tombstone: without key and certificate, its glob entries deleted in the same batch. */
enum iotify_result record_bury(struct iotify_call *call, struct record *record);
/* Delete glob entries that are there although the record is a tombstone. */
enum iotify_result record_clear_glob(struct iotify_call *call, const struct record *record);
/* Put key and certificate back where the glob lost them; IOTIFY_UNCHANGED when it has them. */
enum iotify_result record_restore_glob(struct iotify_call *call, const struct record *record);

/* The state of a record as the host lists it; `*json` (the caller's) has its other members. */
enum record_state record_read(struct iotify_bytes stored, json_t **json);

#endif
