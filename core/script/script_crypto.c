/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes and signatures for runtime/node.js, with OpenSSL. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "core/script/script_internal.h"

#define SIGNATURE_MAX 4096

/* The arguments that all functions here have in common. */
struct script_crypto_request {
    struct arena arena;
    const EVP_MD *hash;
    struct iotify_bytes data;
};

/* Read the name of the hash and the data; false after an exception. */
static bool script_crypto_take_request(JSContextRef context, const JSValueRef *arguments,
    struct script_crypto_request *request, JSValueRef *exception)
{
    const char *name;

    *request = (struct script_crypto_request){0};
    name = script_text(context, &request->arena, arguments[0]);
    request->hash = EVP_get_digestbyname(name);
    request->data = script_bytes(context, arguments[1]);
    if (!request->hash)
        script_throw(
            context, exception, arena_format(&request->arena, "crypto: unknown hash \"%s\"", name));
    return request->hash != NULL;
}

/* (hash, data) or (hash, data, key) */
static JSValueRef script_crypto_digest(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct script_crypto_request request;
    JSValueRef value = JSValueMakeUndefined(context);
    bool good = false;

    (void)function, (void)self;
    if (script_crypto_take_request(context, arguments, &request, exception)) {
        if (count > 2) {
            struct iotify_bytes key = script_bytes(context, arguments[2]);

            good = HMAC(request.hash, key.data ? key.data : "", (int)key.size, request.data.data,
                       request.data.size, digest, &size) != NULL;
        } else {
            good = EVP_Digest(request.data.data, request.data.size, digest, &size, request.hash,
                       NULL) == 1;
        }
        if (good)
            value = script_new_bytes(context, digest, size);
        else
            script_throw(context, exception, "crypto: the hash failed");
    }
    arena_wipe(&request.arena);
    return value;
}

/* Encrypted keys are refused: with NULL, OpenSSL would ask on the terminal. */
static char no_password[] = "";

/* Read a key from PEM text: a private key, a public key, or that of a certificate. */
static EVP_PKEY *script_crypto_read_key(const char *text, bool private)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = NULL;
    X509 *certificate;

    if (!bio)
        return NULL;
    if (private) {
        key = PEM_read_bio_PrivateKey(bio, NULL, NULL, no_password);
    } else if (strstr(text, "BEGIN CERTIFICATE")) {
        certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        key = certificate ? X509_get_pubkey(certificate) : NULL;
        X509_free(certificate);
    } else {
        key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    }
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static bool script_crypto_set_padding(EVP_PKEY_CTX *context, bool pss)
{
    return !pss || (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
                       EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0);
}

/* (hash, data, key, pss) */
static JSValueRef script_crypto_sign(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    unsigned char signature[SIGNATURE_MAX];
    size_t size = sizeof(signature);
    JSValueRef value = JSValueMakeUndefined(context);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_PKEY_CTX *settings;
    EVP_PKEY *key = NULL;
    struct script_crypto_request request;

    (void)function, (void)self, (void)count;
    if (script_crypto_take_request(context, arguments, &request, exception)) {
        key = script_crypto_read_key(script_text(context, &request.arena, arguments[2]), true);
        if (!key)
            script_throw(context, exception, "crypto: not a private key in PEM form");
        else if (EVP_DigestSignInit(digest, &settings, request.hash, NULL, key) != 1 ||
                 !script_crypto_set_padding(settings, JSValueToBoolean(context, arguments[3])) ||
                 EVP_DigestSign(digest, signature, &size, request.data.data, request.data.size) !=
                     1)
            script_throw(context, exception, "crypto: the key cannot sign with this hash");
        else
            value = script_new_bytes(context, signature, size);
    }
    EVP_PKEY_free(key);
    EVP_MD_CTX_free(digest);
    arena_wipe(&request.arena);
    return value;
}

/* (hash, data, key, pss, signature) */
static JSValueRef script_crypto_verify(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    JSValueRef value = JSValueMakeBoolean(context, false);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_PKEY_CTX *settings;
    EVP_PKEY *key = NULL;
    struct script_crypto_request request;

    (void)function, (void)self, (void)count;
    if (script_crypto_take_request(context, arguments, &request, exception)) {
        struct iotify_bytes signature = script_bytes(context, arguments[4]);
        const char *text = script_text(context, &request.arena, arguments[2]);

        key = script_crypto_read_key(text, strstr(text, "PRIVATE KEY-----") != NULL);
        if (!key)
            script_throw(context, exception, "crypto: not a key or certificate in PEM form");
        else
            value = JSValueMakeBoolean(context,
                EVP_DigestVerifyInit(digest, &settings, request.hash, NULL, key) == 1 &&
                    script_crypto_set_padding(settings, JSValueToBoolean(context, arguments[3])) &&
                    EVP_DigestVerify(digest, signature.data, signature.size, request.data.data,
                        request.data.size) == 1);
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
    EVP_MD_CTX_free(digest);
    arena_wipe(&request.arena);
    return value;
}

/* (PEM, private): {type, bits, curve}, with Node's names. */
static JSValueRef script_crypto_describe(JSContextRef context, JSObjectRef function,
    JSObjectRef self, size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    JSObjectRef object = JSObjectMake(context, NULL, NULL);
    struct arena arena = {0};
    char curve[64] = "";
    EVP_PKEY *key;

    (void)function, (void)self, (void)count;
    key = script_crypto_read_key(
        script_text(context, &arena, arguments[0]), JSValueToBoolean(context, arguments[1]));
    if (!key) {
        script_throw(context, exception, "crypto: not a key in PEM form");
    } else {
        int kind = EVP_PKEY_get_base_id(key);

        script_set(context, object, "type",
            script_text_value(context, kind == EVP_PKEY_RSA       ? "rsa"
                                       : kind == EVP_PKEY_RSA_PSS ? "rsa-pss"
                                       : kind == EVP_PKEY_EC      ? "ec"
                                       : kind == EVP_PKEY_ED25519 ? "ed25519"
                                                                  : "other"));
        script_set(context, object, "bits", JSValueMakeNumber(context, EVP_PKEY_get_bits(key)));
        if (kind == EVP_PKEY_EC && EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) == 1)
            script_set(context, object, "curve", script_text_value(context, curve));
    }
    EVP_PKEY_free(key);
    arena_wipe(&arena);
    return object;
}

void script_add_crypto(struct script *script, JSObjectRef native)
{
    script_add_function(script, native, "digest", script_crypto_digest);
    script_add_function(script, native, "sign", script_crypto_sign);
    script_add_function(script, native, "verify", script_crypto_verify);
    script_add_function(script, native, "describeKey", script_crypto_describe);
}
