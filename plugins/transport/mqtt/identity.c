/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL 3.0 tries all its decoders to read a key, which costs more than the arithmetic of a
 * handshake. EC keys are therefore read with the function for EC keys, which is deprecated; its
 * replacement is the slow one.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "plugins/transport/mqtt/identity.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ PEM */

struct identity_block {
    char *name, *header;
    unsigned char *data;
    long size;
};

static bool identity_next_block(BIO *bio, struct identity_block *block)
{
    *block = (struct identity_block){0};
    return PEM_read_bio(bio, &block->name, &block->header, &block->data, &block->size) == 1;
}

static void identity_clear_block(struct identity_block *block)
{
    OPENSSL_free(block->name);
    OPENSSL_free(block->header);
    OPENSSL_clear_free(block->data, (size_t)block->size);
}

static bool identity_append(struct mqtt_identity *identity, const unsigned char *data, long size)
{
    size_t used = (size_t)identity->certificates_size + identity->key_size;
    unsigned char *der;

    if (size <= 0 || (size_t)size > (1 << 20) - used)
        return false;
    /* Not realloc(): it may leave a copy of the key in freed memory. */
    der = malloc(used + (size_t)size);
    if (!der)
        return false;
    if (used)
        memcpy(der, identity->der, used);
    memcpy(der + used, data, (size_t)size);
    free(identity->der);
    identity->der = der;
    return true;
}

static bool identity_read_certificates(struct mqtt_identity *identity, const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    struct identity_block block;
    bool good = bio != NULL;

    while (good && identity_next_block(bio, &block)) {
        if (strstr(block.name, "CERTIFICATE")) {
            good = identity_append(identity, block.data, block.size);
            if (good)
                identity->certificates_size += (uint32_t)block.size;
        }
        identity_clear_block(&block);
    }
    BIO_free(bio);
    ERR_clear_error();
    return good && identity->certificates_size > 0;
}

static bool identity_read_key(struct mqtt_identity *identity, const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    struct identity_block block;
    bool found = false;

    while (bio && !found && identity_next_block(bio, &block)) {
        bool sealed = strstr(block.name, "ENCRYPTED") || (block.header && *block.header);

        if (strstr(block.name, "PRIVATE KEY") && !sealed &&
            identity_append(identity, block.data, block.size)) {
            identity->key_is_ec = strcmp(block.name, "EC PRIVATE KEY") == 0;
            identity->key_size = (uint32_t)block.size;
            found = true;
        }
        identity_clear_block(&block);
    }
    BIO_free(bio);
    ERR_clear_error();
    return found;
}

/* ------------------------------------------------------------------ DER */

static EVP_PKEY *identity_wrap(EC_KEY *ec)
{
    EVP_PKEY *key = ec ? EVP_PKEY_new() : NULL;

    if (key && EVP_PKEY_assign_EC_KEY(key, ec) == 1)
        return key;
    EVP_PKEY_free(key);
    EC_KEY_free(ec);
    return NULL;
}

/* Decode an EC key in PKCS #8, where the curve is in the outer structure. NULL: not an EC key. */
static EVP_PKEY *identity_decode_pkcs8_ec(const unsigned char *der, long size)
{
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &der, size);
    const ASN1_OBJECT *algorithm;
    const X509_ALGOR *parameters;
    const unsigned char *inner;
    const void *curve;
    EC_KEY *ec = NULL;
    int length, type;

    if (info && PKCS8_pkey_get0(&algorithm, &inner, &length, &parameters, info) == 1 &&
        OBJ_obj2nid(algorithm) == NID_X9_62_id_ecPublicKey) {
        X509_ALGOR_get0(NULL, &type, &curve, parameters);
        if (type == V_ASN1_OBJECT)
            ec = EC_KEY_new_by_curve_name(OBJ_obj2nid(curve));
        if (ec && !d2i_ECPrivateKey(&ec, &inner, length)) {
            EC_KEY_free(ec);
            ec = NULL;
        }
    }
    PKCS8_PRIV_KEY_INFO_free(info);
    return identity_wrap(ec);
}

static EVP_PKEY *identity_decode_key(const struct mqtt_identity *identity)
{
    const unsigned char *der = identity->der + identity->certificates_size;
    long size = (long)identity->key_size;
    EVP_PKEY *key = identity->key_is_ec ? identity_wrap(d2i_ECPrivateKey(NULL, &der, size))
                                        : identity_decode_pkcs8_ec(der, size);

    if (key)
        return key;
    ERR_clear_error();
    der = identity->der + identity->certificates_size;
    return d2i_AutoPrivateKey(NULL, &der, size);
}

static bool identity_decode_certificates(struct mqtt_identity *identity)
{
    const unsigned char *at = identity->der, *end = at + identity->certificates_size;

    identity->certificate = d2i_X509(NULL, &at, end - at);
    while (identity->certificate && at < end) {
        X509 *next = d2i_X509(NULL, &at, end - at);

        if (!identity->chain)
            identity->chain = sk_X509_new_null();
        if (!next || !identity->chain || sk_X509_push(identity->chain, next) == 0) {
            X509_free(next);
            return false;
        }
    }
    return identity->certificate != NULL;
}

bool mqtt_identity_decode(struct mqtt_identity *identity)
{
    if (identity->certificate && identity->key)
        return true;
    mqtt_identity_rest(identity);
    if (identity_decode_certificates(identity))
        identity->key = identity_decode_key(identity);
    ERR_clear_error();
    return identity->key != NULL;
}

void mqtt_identity_rest(struct mqtt_identity *identity)
{
    X509_free(identity->certificate);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    identity->certificate = NULL;
    identity->chain = NULL;
    identity->key = NULL;
}

/* ------------------------------------------------------------------ new, free, state */

static enum iotify_result identity_load(struct mqtt_identity *identity, struct iotify_call *call,
    const char *certificate, const char *key)
{
    const struct iotify_host *host = call->host;

    if (!certificate && !key)
        return IOTIFY_RESULT_OK;
    if (!certificate || !key)
        return host->fail(call, IOTIFY_RESULT_INVALID, "BadCertificate",
            "%s is set and %s is not; a client certificate needs both", key ? "key" : "cert",
            key ? "cert" : "key");
    if (!identity_read_certificates(identity, certificate))
        return host->fail(
            call, IOTIFY_RESULT_INVALID, "BadCertificate", "cert: not a PEM certificate");
    if (!identity_read_key(identity, key))
        return host->fail(call, IOTIFY_RESULT_INVALID, "BadKey",
            "key: not a PEM private key without a passphrase");
    mqtt_identity_decode(identity);
    if (!identity->certificate)
        return host->fail(
            call, IOTIFY_RESULT_INVALID, "BadCertificate", "cert: not a PEM certificate");
    if (!identity->key)
        return host->fail(call, IOTIFY_RESULT_INVALID, "BadKey",
            "key: not a PEM private key without a passphrase");
    if (X509_check_private_key(identity->certificate, identity->key) == 1)
        return IOTIFY_RESULT_OK;
    ERR_clear_error();
    return host->fail(
        call, IOTIFY_RESULT_INVALID, "BadKey", "key: does not belong to the certificate in cert");
}

struct mqtt_identity *mqtt_identity_new(
    struct iotify_call *call, const char *certificate, const char *key, const char *server_name)
{
    struct mqtt_identity *identity = calloc(1, sizeof(*identity));

    if (!identity) {
        call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
        return NULL;
    }
    identity->server_name = server_name;
    if (identity_load(identity, call, certificate, key) == IOTIFY_RESULT_OK)
        return identity;
    mqtt_identity_free(identity);
    return NULL;
}

void mqtt_identity_free(struct mqtt_identity *identity)
{
    if (!identity)
        return;
    mqtt_identity_rest(identity);
    mqtt_identity_forget_session(identity);
    if (identity->der)
        OPENSSL_cleanse(identity->der, (size_t)identity->certificates_size + identity->key_size);
    free(identity->der);
    free(identity->failure);
    free(identity);
}

bool mqtt_identity_has_certificate(const struct mqtt_identity *identity)
{
    return identity->certificates_size > 0;
}

void mqtt_identity_begin(struct mqtt_identity *identity)
{
    identity->handshaken = identity->resumed = false;
    identity->started = identity->ended = 0;
    free(identity->failure);
    identity->failure = NULL;
}

void mqtt_identity_blame(struct mqtt_identity *identity, const char *text, const char *detail)
{
    size_t size = strlen(text) + strlen(detail) + 1;

    if (!identity || identity->failure)
        return;
    identity->failure = malloc(size);
    if (identity->failure)
        snprintf(identity->failure, size, "%s%s", text, detail);
}

void mqtt_identity_forget_session(struct mqtt_identity *identity)
{
    SSL_SESSION_free(identity->session);
    identity->session = NULL;
}
