/*
 * The record of a device: what the connector made for one client, kept by the host. Its state
 * says how far it got, so that the same step goes on after any failure.
 */
#ifndef PLUGINS_AWS_RECORD_H
#define PLUGINS_AWS_RECORD_H

#include <iotify/host.h>

/*
 * The attribute by which a thing is known as this job's own: it holds the identifier of the
 * certificate that the thing was made for, which nobody else can have come up with.
 */
#define THING_ATTRIBUTE "iotify_certificate"

enum record_state {
    RECORD_NONE,    /* nothing was made */
    RECORD_INTENT,  /* the key is stored, the certificate is being asked for */
    RECORD_SEALED,  /* key and certificate are stored */
    RECORD_READY,   /* everything is made and attached */
    RECORD_DELETING /* being taken away */
};

/* Strings live in the call's arena; NULL where not known. */
struct record {
    enum record_state state;
    const char *thing, *type, *group, *policy;
    const char *key, *certificate, *certificate_id, *certificate_arn;
    const char *key_name, *certificate_name; /* in the glob */
    struct iotify_bytes stored;              /* as read or written last; for compare-and-set */
};

/* Read the client's record; state RECORD_NONE when there is none. */
enum iotify_result record_load(struct iotify_call *call, struct record *record);
/*
 * Write it, provided that nobody else did since. `with_glob`: put key and certificate into the
 * glob in the same batch.
 */
enum iotify_result record_save(struct iotify_call *call, struct record *record, bool with_glob);
/* Delete it together with its glob entries. */
enum iotify_result record_delete(struct iotify_call *call, struct record *record);
/* Put key and certificate back where the glob lost them; IOTIFY_UNCHANGED when it has them. */
enum iotify_result record_restore_glob(struct iotify_call *call, const struct record *record);

#endif
