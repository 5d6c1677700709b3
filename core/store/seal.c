/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iotify/text.h>

#define FORMAT 2
#define KEY_SIZE 32
#define NONCE_SIZE 12
#define TAG_SIZE 16
#define SALT_SIZE 16
/* The first bytes of a sealed value; not valid UTF-8, so no text begins with them. */
#define MARK "\x89ISE\x01"
#define MARK_SIZE (sizeof(MARK) - 1)
#define OVERHEAD (MARK_SIZE + NONCE_SIZE + TAG_SIZE)
_Static_assert(OVERHEAD == SEAL_OVERHEAD, "the header says how much longer a sealed value is");
/* scrypt: 16 MiB and about 50 ms per guess. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_MEMORY (64 << 20)
/* The associated data of the wrapped key. */
#define WRAP_LABEL "iotifyd data key"

struct seal {
    /* The encryption key, then the key for deriving nonces. */
    unsigned char keys[2 * KEY_SIZE];
};

static char *key_variable, *passphrase_variable;

static const char *const words[] = {[SEAL_FILE] = "file",
    [SEAL_ENVIRONMENT] = "environment",
    [SEAL_PASSPHRASE] = "passphrase",
    [SEAL_NONE] = "none"};

static char *seal_take_variable(const char *name)
{
    char *value = getenv(name), *copy = value ? strdup(value) : NULL;

    if (value)
        OPENSSL_cleanse(value, strlen(value));
    unsetenv(name);
    return copy;
}

void seal_prepare(void)
{
    key_variable = seal_take_variable(SEAL_KEY_VARIABLE);
    passphrase_variable = seal_take_variable(SEAL_PASSPHRASE_VARIABLE);
}

static void seal_wipe_variable(char **secret)
{
    if (*secret)
        OPENSSL_cleanse(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

void seal_forget(void)
{
    seal_wipe_variable(&key_variable);
    seal_wipe_variable(&passphrase_variable);
}

/* Decode exactly `size` bytes in hexadecimal; white space around them is allowed. */
static bool seal_decode(const char *text, unsigned char *bytes, size_t size)
{
    char digits[256] = "";
    size_t length;
    bool good;

    text += strspn(text, " \t\r\n");
    length = strcspn(text, " \t\r\n");
    if (length != 2 * size || length >= sizeof(digits) ||
        text[length + strspn(text + length, " \t\r\n")] != '\0')
        return false;
    memcpy(digits, text, length);
    good = iotify_hex_decode(digits, bytes, size);
    explicit_bzero(digits, sizeof(digits));
    return good;
}

/* ------------------------------------------------------------------ encryption */

/* Write nonce, tag and ciphertext to `out`, which has room for NONCE_SIZE + TAG_SIZE + size. */
static bool seal_encrypt(const unsigned char *key, const unsigned char *nonce, const char *bound,
    struct iotify_bytes plain, unsigned char *out)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    unsigned char *text = out + NONCE_SIZE + TAG_SIZE;
    int size = 0;
    bool good = context && plain.size < INT_MAX &&
                EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
                EVP_EncryptUpdate(
                    context, NULL, &size, (const unsigned char *)bound, (int)strlen(bound)) == 1 &&
                EVP_EncryptUpdate(context, text, &size, plain.data, (int)plain.size) == 1 &&
                EVP_EncryptFinal_ex(context, text + size, &size) == 1 &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, out + NONCE_SIZE) == 1;

    memcpy(out, nonce, NONCE_SIZE);
    EVP_CIPHER_CTX_free(context);
    return good;
}

static bool seal_decrypt(const unsigned char *key, const char *bound, const unsigned char *box,
    size_t box_size, unsigned char *out)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    unsigned char tag[TAG_SIZE];
    int size = 0;
    bool good;

    memcpy(tag, box + NONCE_SIZE, TAG_SIZE);
    good = context && box_size < INT_MAX &&
           EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, box) == 1 &&
           EVP_DecryptUpdate(
               context, NULL, &size, (const unsigned char *)bound, (int)strlen(bound)) == 1 &&
           EVP_DecryptUpdate(context, out, &size, box + NONCE_SIZE + TAG_SIZE,
               (int)(box_size - NONCE_SIZE - TAG_SIZE)) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) == 1 &&
           EVP_DecryptFinal_ex(context, out + size, &size) == 1;
    EVP_CIPHER_CTX_free(context);
    return good;
}

/* ------------------------------------------------------------------ the wrapping key */

static enum iotify_result seal_fail(struct call *call, const char *verb, const char *path)
{
    int error = errno;

    return call_fail(&call->base, error == ENOSPC ? IOTIFY_RESULT_FULL : IOTIFY_RESULT_DENIED,
        "KeyFile", "cannot %s the key file %s: %s", verb, path, strerror(error));
}

static enum iotify_result seal_read_key_file(
    struct call *call, const char *path, unsigned char key[KEY_SIZE])
{
    char text[256];
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got;
    bool good;

    if (descriptor < 0)
        return errno == ENOENT ? IOTIFY_RESULT_NOT_FOUND : seal_fail(call, "read", path);
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(descriptor);
        return call_fail(&call->base, IOTIFY_RESULT_DENIED, "KeyFile",
            "the key file %s is not a regular file", path);
    }
    if (status.st_mode & 077) {
        close(descriptor);
        return call_fail(&call->base, IOTIFY_RESULT_DENIED, "KeyFile",
            "the key file %s can be read by other users; run chmod 600 %s", path, path);
    }
    got = read(descriptor, text, sizeof(text) - 1);
    close(descriptor);
    if (got < 0)
        return seal_fail(call, "read", path);
    text[got] = '\0';
    good = seal_decode(text, key, KEY_SIZE);
    OPENSSL_cleanse(text, sizeof(text));
    return good ? IOTIFY_RESULT_OK
                : call_fail(&call->base, IOTIFY_RESULT_INVALID, "KeyFile",
                      "the key file %s does not hold 64 hexadecimal digits", path);
}

static bool seal_write_all(int descriptor, const char *text)
{
    size_t size = strlen(text);

    errno = ENOSPC; /* for a short write, which does not set errno */
    return write(descriptor, text, size) == (ssize_t)size && fsync(descriptor) == 0;
}

/* The directory entry must survive a power loss too. */
static void seal_sync_folder(const char *path)
{
    char copy[4096];
    int descriptor;

    snprintf(copy, sizeof(copy), "%s", path);
    descriptor = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        fsync(descriptor);
        close(descriptor);
    }
}

/*
 * The file is complete before it gets its name. When another process creates one first, that one is
 * kept.
 */
static enum iotify_result seal_make_key_file(struct call *call, const char *path)
{
    unsigned char key[KEY_SIZE];
    char text[2 * KEY_SIZE + 2], temporary[4096];
    int descriptor;
    enum iotify_result result = IOTIFY_RESULT_OK;

    if (RAND_bytes(key, sizeof(key)) != 1)
        return call_fail(&call->base, IOTIFY_RESULT_FAILED, "OpenSsl", "no random numbers");
    iotify_hex_encode(key, sizeof(key), text);
    text[sizeof(text) - 2] = '\n';
    text[sizeof(text) - 1] = '\0';
    snprintf(temporary, sizeof(temporary), "%s.%ld", path, (long)getpid());
    unlink(temporary);
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor < 0 || !seal_write_all(descriptor, text) ||
        (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) != 0 &&
            link(temporary, path) != 0 && errno != EEXIST))
        result = seal_fail(call, "make", path);
    if (descriptor >= 0) {
        close(descriptor);
        unlink(temporary);
        seal_sync_folder(path);
    }
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(text, sizeof(text));
    return result;
}

static enum iotify_result seal_key_of_file(
    struct call *call, const struct seal_settings *settings, bool make, unsigned char key[KEY_SIZE])
{
    enum iotify_result result = seal_read_key_file(call, settings->key_file, key);

    if (result == IOTIFY_RESULT_NOT_FOUND && make) {
        result = seal_make_key_file(call, settings->key_file);
        if (result == IOTIFY_RESULT_OK)
            result = seal_read_key_file(call, settings->key_file, key);
    }
    if (result == IOTIFY_RESULT_NOT_FOUND)
        return call_fail(&call->base, IOTIFY_RESULT_DENIED, "KeyFile",
            "the store is sealed and its key file %s does not exist; restore it, or set "
            "seal.key_file: to its path",
            settings->key_file);
    return result;
}

static enum iotify_result seal_key_of_passphrase(
    struct call *call, const unsigned char *salt, unsigned char key[KEY_SIZE])
{
    if (!passphrase_variable || !*passphrase_variable)
        return call_fail(&call->base, IOTIFY_RESULT_DENIED, "Passphrase",
            "the passphrase of the store is not known; set " SEAL_PASSPHRASE_VARIABLE);
    if (EVP_PBE_scrypt(passphrase_variable, strlen(passphrase_variable), salt, SALT_SIZE, SCRYPT_N,
            SCRYPT_R, 1, SCRYPT_MEMORY, key, KEY_SIZE) == 1)
        return IOTIFY_RESULT_OK;
    return call_fail(&call->base, IOTIFY_RESULT_FAILED, "OpenSsl", "cannot derive a key");
}

/* With `make` the store is new, and a missing key file is created. */
static enum iotify_result seal_wrapping_key(struct call *call, const struct seal_settings *settings,
    bool make, const unsigned char *salt, unsigned char key[KEY_SIZE])
{
    if (settings->with == SEAL_FILE)
        return seal_key_of_file(call, settings, make, key);
    if (settings->with == SEAL_PASSPHRASE)
        return seal_key_of_passphrase(call, salt, key);
    if (!key_variable)
        return call_fail(&call->base, IOTIFY_RESULT_DENIED, "SealKey",
            "the key of the store is not known; set " SEAL_KEY_VARIABLE
            " to 64 hexadecimal digits, made by: openssl rand -hex 32");
    if (!seal_decode(key_variable, key, KEY_SIZE))
        return call_fail(&call->base, IOTIFY_RESULT_INVALID, "SealKey",
            SEAL_KEY_VARIABLE " does not hold 64 hexadecimal digits");
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ the note */

#define BOX_SIZE (NONCE_SIZE + TAG_SIZE + 2 * KEY_SIZE)

static enum iotify_result seal_write_note(struct call *call, int with, const unsigned char *salt,
    const unsigned char *box, struct iotify_buffer *note)
{
    char salt_text[2 * SALT_SIZE + 1] = "", box_text[2 * BOX_SIZE + 1] = "";
    json_t *json;
    char *text;

    if (box) {
        iotify_hex_encode(salt, SALT_SIZE, salt_text);
        iotify_hex_encode(box, BOX_SIZE, box_text);
    }
    json = json_pack("{s:i, s:s, s:s, s:s}", "format", FORMAT, "with", words[with], "salt",
        salt_text, "key", box_text);
    text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text)
        iotify_buffer_string(note, text);
    free(text);
    json_decref(json);
    return text && !note->failed
               ? IOTIFY_RESULT_OK
               : call_fail(&call->base, IOTIFY_RESULT_FAILED, "Seal", "out of memory");
}

enum iotify_result seal_new(struct call *call, const struct seal_settings *settings,
    struct iotify_buffer *note, struct seal **out)
{
    unsigned char salt[SALT_SIZE], nonce[NONCE_SIZE], box[BOX_SIZE], key[KEY_SIZE];
    enum iotify_result result;
    struct seal *seal;

    *out = NULL;
    if (settings->with == SEAL_NONE)
        return seal_write_note(call, SEAL_NONE, NULL, NULL, note);
    seal = memory_new(1, sizeof(*seal));
    if (RAND_bytes(salt, sizeof(salt)) != 1 || RAND_bytes(nonce, sizeof(nonce)) != 1 ||
        RAND_bytes(seal->keys, sizeof(seal->keys)) != 1)
        result = call_fail(&call->base, IOTIFY_RESULT_FAILED, "OpenSsl", "no random numbers");
    else
        result = seal_wrapping_key(call, settings, true, salt, key);
    if (result == IOTIFY_RESULT_OK &&
        !seal_encrypt(
            key, nonce, WRAP_LABEL, (struct iotify_bytes){seal->keys, sizeof(seal->keys)}, box))
        result =
            call_fail(&call->base, IOTIFY_RESULT_FAILED, "OpenSsl", "cannot wrap the data key");
    OPENSSL_cleanse(key, sizeof(key));
    if (result == IOTIFY_RESULT_OK)
        result = seal_write_note(call, settings->with, salt, box, note);
    if (result == IOTIFY_RESULT_OK)
        *out = seal;
    else
        seal_free(seal);
    return result;
}

enum iotify_result seal_new_volatile(
    struct call *call, const struct seal_settings *settings, struct seal **out)
{
    *out = settings->with == SEAL_NONE ? NULL : memory_new(1, sizeof(**out));
    if (!*out || RAND_bytes((*out)->keys, sizeof((*out)->keys)) == 1)
        return IOTIFY_RESULT_OK;
    seal_free(*out);
    *out = NULL;
    return call_fail(&call->base, IOTIFY_RESULT_FAILED, "OpenSsl", "no random numbers");
}

/* Check that this version can read the note and that its source of the key is that of the job. */
static enum iotify_result seal_check_note(
    struct call *call, const struct seal_settings *settings, const json_t *json)
{
    const char *with = json_string_value(json_object_get(json, "with"));
    json_int_t format = json_integer_value(json_object_get(json, "format"));

    if (!with || format < 1)
        return call_fail(&call->base, IOTIFY_RESULT_FAILED, "StoreFormat",
            "the store's note about its seal is damaged");
    if (format > FORMAT)
        return call_fail(&call->base, IOTIFY_RESULT_FAILED, "StoreFormat",
            "the store was written by a newer iotifyd (format %lld, this one knows %d); use that "
            "one",
            (long long)format, FORMAT);
    if (strcmp(with, words[settings->with]) != 0)
        return call_fail(&call->base, IOTIFY_RESULT_INVALID, "SealDiffers",
            "the store was made with seal.with: %s, and the job says %s; a store keeps the one "
            "that it was made with. To change it, run cleanup, then delete the store",
            with, words[settings->with]);
    return IOTIFY_RESULT_OK;
}

enum iotify_result seal_from_note(struct call *call, const struct seal_settings *settings,
    struct iotify_bytes note, struct seal **out)
{
    json_t *json = json_loadb(note.data, note.size, 0, NULL);
    const char *salt_text = json_string_value(json_object_get(json, "salt"));
    const char *box_text = json_string_value(json_object_get(json, "key"));
    unsigned char salt[SALT_SIZE], box[BOX_SIZE], key[KEY_SIZE];
    enum iotify_result result = seal_check_note(call, settings, json);
    struct seal *seal;

    *out = NULL;
    if (result != IOTIFY_RESULT_OK || settings->with == SEAL_NONE) {
        json_decref(json);
        return result;
    }
    seal = memory_new(1, sizeof(*seal));
    if (!salt_text || !box_text || !seal_decode(salt_text, salt, SALT_SIZE) ||
        !seal_decode(box_text, box, BOX_SIZE))
        result = call_fail(&call->base, IOTIFY_RESULT_FAILED, "StoreFormat",
            "the store's note about its seal is damaged");
    if (result == IOTIFY_RESULT_OK)
        result = seal_wrapping_key(call, settings, false, salt, key);
    if (result == IOTIFY_RESULT_OK && !seal_decrypt(key, WRAP_LABEL, box, BOX_SIZE, seal->keys))
        result = call_fail(&call->base, IOTIFY_RESULT_DENIED, "WrongKey",
            "the store is sealed with another %s; use the one that it was made with",
            settings->with == SEAL_PASSPHRASE ? "passphrase" : "key");
    OPENSSL_cleanse(key, sizeof(key));
    json_decref(json);
    if (result == IOTIFY_RESULT_OK)
        *out = seal;
    else
        seal_free(seal);
    return result;
}

void seal_free(struct seal *seal)
{
    if (!seal)
        return;
    OPENSSL_cleanse(seal, sizeof(*seal));
    free(seal);
}

/* ------------------------------------------------------------------ values */

/* Derived from key and value, so that two different texts do not share a nonce. */
static bool seal_derive_nonce(const struct seal *seal, const char *key, struct iotify_bytes value,
    unsigned char nonce[NONCE_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE], *joined;
    size_t key_size = strlen(key) + 1, size = key_size + value.size;
    unsigned digest_size = 0;
    bool good;

    joined = memory_new(size, 1);
    memcpy(joined, key, key_size);
    if (value.size)
        memcpy(joined + key_size, value.data, value.size);
    good = HMAC(EVP_sha256(), seal->keys + KEY_SIZE, KEY_SIZE, joined, size, digest,
               &digest_size) != NULL;
    memcpy(nonce, digest, NONCE_SIZE);
    OPENSSL_cleanse(joined, size);
    free(joined);
    return good && digest_size >= NONCE_SIZE;
}

enum iotify_result seal_value(const struct seal *seal, struct call *call, const char *key,
    struct iotify_bytes value, struct iotify_bytes *out)
{
    unsigned char nonce[NONCE_SIZE], *box;

    if (value.size > IOTIFY_VALUE_MAX - OVERHEAD)
        return call_fail(&call->base, IOTIFY_RESULT_INVALID, "TooLarge",
            "a value of %zu bytes is too large for the store; at most %zu fit", value.size,
            IOTIFY_VALUE_MAX - OVERHEAD);
    box = arena_alloc(&call->arena, OVERHEAD + value.size);
    memcpy(box, MARK, MARK_SIZE);
    if (!seal_derive_nonce(seal, key, value, nonce) ||
        !seal_encrypt(seal->keys, nonce, key, value, box + MARK_SIZE))
        return call_fail(&call->base, IOTIFY_RESULT_FAILED, "OpenSsl", "cannot seal a value");
    *out = (struct iotify_bytes){box, OVERHEAD + value.size};
    return IOTIFY_RESULT_OK;
}

bool seal_is_sealed(struct iotify_bytes stored)
{
    return stored.size >= OVERHEAD && memcmp(stored.data, MARK, MARK_SIZE) == 0;
}

enum iotify_result seal_open_value(const struct seal *seal, struct call *call, const char *key,
    struct iotify_bytes stored, struct iotify_bytes *out)
{
    unsigned char *plain = NULL;

    if (seal_is_sealed(stored)) {
        plain = arena_alloc(&call->arena, stored.size - OVERHEAD + 1);
        if (!seal_decrypt(seal->keys, key, (const unsigned char *)stored.data + MARK_SIZE,
                stored.size - MARK_SIZE, plain))
            plain = NULL;
    }
    if (!plain)
        return call_fail(&call->base, IOTIFY_RESULT_FAILED, "Damaged",
            "the entry %s of the store was changed by another program, or moved from another key; "
            "restore the store from a backup",
            key);
    *out = (struct iotify_bytes){plain, stored.size - OVERHEAD};
    return IOTIFY_RESULT_OK;
}
