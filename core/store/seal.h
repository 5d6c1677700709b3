/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values sealed at rest: AES-256-GCM under a data key that is itself wrapped by a key of the
 * user's. The store's key of an entry is authenticated with it, so that no value can be moved to
 * another entry. The same value in the same entry gives the same bytes: the nonce is derived from
 * both, which is what lets a store compare and set without knowing the key.
 * A seal is made by one thread; then all functions are safe on any.
 */
#ifndef CORE_STORE_SEAL_H
#define CORE_STORE_SEAL_H

#include <iotify/buffer.h>

#include "core/plugin/call.h"

/* Where the wrapping key comes from. */
enum seal_with { SEAL_FILE, SEAL_ENVIRONMENT, SEAL_PASSPHRASE, SEAL_NONE };

/* The settings `seal.*` of a job. */
struct seal_settings {
    int with;             /* enum seal_with */
    const char *key_file; /* of SEAL_FILE */
};

/* Environment variables of the two that read one; taken out of the environment by seal_prepare().
 */
#define SEAL_KEY_VARIABLE "IOTIFY_SEAL_KEY"
#define SEAL_PASSPHRASE_VARIABLE "IOTIFY_SEAL_PASSPHRASE"

/* Bytes that a sealed value has more. */
#define SEAL_OVERHEAD 33

struct seal;

/*
 * Take the secrets out of the environment, so that no process started later has them. Before any
 * thread.
 */
void seal_prepare(void);
/* Wipe them, once the store is open or will not be. */
void seal_forget(void);

/*
 * A new data key, wrapped: `note` is what the store keeps. With SEAL_NONE `*out` is NULL and the
 * note says so. A key file that is not there is made, mode 0600, before the note is.
 * IOTIFY_FAILED, IOTIFY_FULL or IOTIFY_DENIED after a message.
 */
enum iotify_result seal_new(struct call *call, const struct seal_settings *settings,
    struct iotify_buffer *note, struct seal **out);
/* The data key from a note; NULL when the note says that nothing is sealed. */
enum iotify_result seal_from_note(struct call *call, const struct seal_settings *settings,
    struct iotify_bytes note, struct seal **out);
/* Wipes the keys; NULL is fine. */
void seal_free(struct seal *seal);

/*
 * The sealed form of a value, in the call's arena. IOTIFY_INVALID when it is longer than
 * IOTIFY_VALUE_MAX less SEAL_OVERHEAD.
 */
enum iotify_result seal_value(const struct seal *seal, struct call *call, const char *key,
    struct iotify_bytes value, struct iotify_bytes *out);
/*
 * The value again, in the call's arena with a NUL behind it. What was never sealed, because
 * another program wrote it, comes back as it is. IOTIFY_FAILED when it was changed or moved.
 */
enum iotify_result seal_open_value(const struct seal *seal, struct call *call, const char *key,
    struct iotify_bytes stored, struct iotify_bytes *out);

#endif
