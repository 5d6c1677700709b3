/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypts values at rest: AES-256-GCM with a data key, which is wrapped by a key of the user. The
 * key of an entry is authenticated with its value, so that a value cannot be moved to another
 * entry. The nonce is derived from both: the same value in the same entry gives the same bytes, so
 * that a store can compare and set without the data key. One thread creates a seal; afterwards all
 * functions are safe on any thread.
 */
#ifndef CORE_STORE_SEAL_H
#define CORE_STORE_SEAL_H

#include <stdbool.h>

#include <iotify/buffer.h>

#include "core/plugin/call.h"

/* The source of the wrapping key. */
enum seal_with { SEAL_FILE, SEAL_ENVIRONMENT, SEAL_PASSPHRASE, SEAL_NONE };

/* The settings `seal.*` of a job. */
struct seal_settings {
    int with;             /* enum seal_with */
    const char *key_file; /* for SEAL_FILE */
    bool accept_unsealed; /* use glob entries that other programs wrote without the key */
};

/*
 * The variables for SEAL_ENVIRONMENT and SEAL_PASSPHRASE; seal_prepare() removes them from the
 * environment.
 */
#define SEAL_KEY_VARIABLE "IOTIFY_SEAL_KEY"
#define SEAL_PASSPHRASE_VARIABLE "IOTIFY_SEAL_PASSPHRASE"

/* The number of bytes that sealing adds to a value. */
#define SEAL_OVERHEAD 33

struct seal;

/*
 * Move the secrets out of the environment, so that processes started later do not inherit them.
 * Call before any thread starts.
 */
void seal_prepare(void);
/* Wipe the secrets, when the store is open or opening it has failed. */
void seal_forget(void);

/*
 * Create a data key and append the note with the wrapped key to `note`, for the store. With
 * SEAL_NONE `*out` is NULL and the note says so. A missing key file is created with mode 0600. On
 * failure a message and IOTIFY_RESULT_FAILED, IOTIFY_RESULT_FULL, IOTIFY_RESULT_DENIED or, for a
 * malformed key, IOTIFY_RESULT_INVALID.
 */
enum iotify_result seal_new(struct call *call, const struct seal_settings *settings,
    struct iotify_buffer *note, struct seal **out);
/*
 * Create a data key that no note keeps, for a store that forgets its values when the process ends.
 * `*out` is NULL with SEAL_NONE. IOTIFY_RESULT_FAILED when there are no random numbers.
 */
enum iotify_result seal_new_volatile(
    struct call *call, const struct seal_settings *settings, struct seal **out);
/*
 * Unwrap the data key of a note; `*out` is NULL when the store is not sealed. Fails also when the
 * note is damaged, the settings name another source, or the key is wrong.
 */
enum iotify_result seal_from_note(struct call *call, const struct seal_settings *settings,
    struct iotify_bytes note, struct seal **out);
/* Wipe and free the keys; NULL is allowed. */
void seal_free(struct seal *seal);

/*
 * Seal a value, in the call's arena. IOTIFY_RESULT_INVALID when it is longer than IOTIFY_VALUE_MAX
 * less SEAL_OVERHEAD, IOTIFY_RESULT_FAILED when OpenSSL fails.
 */
enum iotify_result seal_value(const struct seal *seal, struct call *call, const char *key,
    struct iotify_bytes value, struct iotify_bytes *out);
/* False for a stored value that was written without the key. */
bool seal_is_sealed(struct iotify_bytes stored);
/*
 * Open a sealed value, in the call's arena, followed by a NUL. IOTIFY_RESULT_FAILED when it is not
 * sealed, was modified, or was moved from another entry.
 */
enum iotify_result seal_open_value(const struct seal *seal, struct call *call, const char *key,
    struct iotify_bytes stored, struct iotify_bytes *out);

#endif
