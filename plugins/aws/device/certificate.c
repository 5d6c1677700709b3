/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/device/certificate.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

#include <iotify/text.h>

#define DAY 86400L

/* ------------------------------------------------------------------ PEM */

static bool certificate_take_pem(BIO *bio, struct iotify_buffer *out)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    bool good = size > 0 && iotify_buffer_append(out, data, (size_t)size);

    if (size > 0)
        OPENSSL_cleanse(data, (size_t)size);
    return good;
}

static EVP_PKEY *certificate_parse_key(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, "") : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static X509 *certificate_parse(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return certificate;
}

/* ------------------------------------------------------------------ keys */

/*
 * The parts of a P-256 key. OpenSSL's encoders search for an implementation on each use, which
 * costs more than creating the key; the two encodings that are needed here are short.
 */
#define SCALAR_SIZE 32
#define POINT_SIZE 65

struct certificate_parts {
    unsigned char scalar[SCALAR_SIZE], point[POINT_SIZE];
};

static bool certificate_take_apart(const EVP_PKEY *key, struct certificate_parts *parts)
{
    BIGNUM *scalar = NULL;
    size_t size = 0;
    bool good = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
                BN_bn2binpad(scalar, parts->scalar, SCALAR_SIZE) == SCALAR_SIZE &&
                EVP_PKEY_get_octet_string_param(
                    key, OSSL_PKEY_PARAM_PUB_KEY, parts->point, POINT_SIZE, &size) == 1 &&
                size == POINT_SIZE && parts->point[0] == POINT_CONVERSION_UNCOMPRESSED;

    BN_clear_free(scalar);
    return good;
}

/* Encode an ECPrivateKey (RFC 5915): version 1, the scalar, and the point as [1]. */
static unsigned char *certificate_encode_scalar(const struct certificate_parts *parts, int *size)
{
    static const unsigned char head[] = {0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, SCALAR_SIZE};
    static const unsigned char middle[] = {0xa1, 0x44, 0x03, POINT_SIZE + 1, 0x00};
    unsigned char *der = OPENSSL_malloc(sizeof(head) + SCALAR_SIZE + sizeof(middle) + POINT_SIZE),
                  *at = der;

    if (!der)
        return NULL;
    memcpy(at, head, sizeof(head));
    at += sizeof(head);
    memcpy(at, parts->scalar, SCALAR_SIZE);
    at += SCALAR_SIZE;
    memcpy(at, middle, sizeof(middle));
    at += sizeof(middle);
    memcpy(at, parts->point, POINT_SIZE);
    *size = (int)(at + POINT_SIZE - der);
    return der;
}

static bool certificate_write_key(const struct certificate_parts *parts, struct iotify_buffer *out)
{
    PKCS8_PRIV_KEY_INFO *info = PKCS8_PRIV_KEY_INFO_new();
    BIO *bio = BIO_new(BIO_s_mem());
    int size = 0;
    unsigned char *der = certificate_encode_scalar(parts, &size);
    bool owned = info && der &&
                 PKCS8_pkey_set0(info, OBJ_nid2obj(NID_X9_62_id_ecPublicKey), 0, V_ASN1_OBJECT,
                     OBJ_nid2obj(NID_X9_62_prime256v1), der, size) == 1;
    bool good = owned && bio && PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, info) == 1 &&
                certificate_take_pem(bio, out);

    if (!owned)
        OPENSSL_clear_free(der, (size_t)size);
    BIO_free(bio);
    PKCS8_PRIV_KEY_INFO_free(info);
    return good;
}

bool certificate_make_key(struct iotify_buffer *out)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct certificate_parts parts;
    bool good = key && certificate_take_apart(key, &parts) && certificate_write_key(&parts, out);

    OPENSSL_cleanse(&parts, sizeof(parts));
    EVP_PKEY_free(key);
    return good;
}

bool certificate_is_own(const char *text)
{
    X509 *certificate = certificate_parse(text);
    bool own = certificate && X509_self_signed(certificate, 1) == 1;

    X509_free(certificate);
    ERR_clear_error();
    return own;
}

bool certificate_matches(const char *certificate_text, const char *key_text)
{
    X509 *certificate = certificate_parse(certificate_text);
    EVP_PKEY *key = certificate_parse_key(key_text);
    bool good = certificate && key && X509_check_private_key(certificate, key) == 1;

    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good;
}

/* ------------------------------------------------------------------ certificates */

static bool certificate_add_name(X509_NAME *name, const char *common_name)
{
    /* CN is limited to 64 bytes; a longer thing name may be cut, as the CN identifies nothing. */
    size_t length = strnlen(common_name, 64);

    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
               (int)length, -1, 0) == 1;
}

/* The extensions, equal in all certificates: created once and copied. */
static struct {
    pthread_once_t once;
    X509_EXTENSION *items[3];
} extensions = {.once = PTHREAD_ONCE_INIT};

static void certificate_make_extensions(void)
{
    static const struct {
        int nid;
        const char *value;
    } wanted[] = {{NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"}, {NID_ext_key_usage, "clientAuth"}};

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        extensions.items[i] = X509V3_EXT_conf_nid(NULL, NULL, wanted[i].nid, wanted[i].value);
}

static bool certificate_add_extensions(X509 *certificate)
{
    pthread_once(&extensions.once, certificate_make_extensions);
    for (size_t i = 0; i < sizeof(extensions.items) / sizeof(extensions.items[0]); i++)
        if (!extensions.items[i] || X509_add_ext(certificate, extensions.items[i], -1) != 1)
            return false;
    return true;
}

static bool certificate_set_point(X509 *certificate, const struct certificate_parts *parts)
{
    unsigned char *point = OPENSSL_memdup(parts->point, POINT_SIZE);
    bool good = point && X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(certificate),
                             OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT,
                             OBJ_nid2obj(NID_X9_62_prime256v1), point, POINT_SIZE) == 1;

    if (!good)
        OPENSSL_free(point);
    return good;
}

static bool certificate_set_serial(X509 *certificate)
{
    unsigned char bytes[16];
    BIGNUM *number;
    bool good;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[0] &= 0x7f;
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return good;
}

static bool certificate_fill_in(X509 *certificate, EVP_PKEY *key,
    const struct certificate_parts *parts, const char *common_name, int years)
{
    return X509_set_version(certificate, X509_VERSION_3) == 1 &&
           certificate_set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), DAY * 365 * years) &&
           certificate_add_name(X509_get_subject_name(certificate), common_name) &&
           X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
           certificate_set_point(certificate, parts) && certificate_add_extensions(certificate) &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool certificate_digest(const X509 *certificate, char id[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    id[0] = '\0';
    if (!certificate || X509_digest(certificate, EVP_sha256(), digest, &size) != 1 || size != 32)
        return false;
    iotify_hex_encode(digest, 32, id);
    return true;
}

bool certificate_make(const char *common_name, int years, struct iotify_buffer *key_out,
    struct iotify_buffer *certificate_out, char id[65])
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    struct certificate_parts parts;
    bool good = key && certificate && bio && certificate_take_apart(key, &parts) &&
                certificate_write_key(&parts, key_out) &&
                certificate_fill_in(certificate, key, &parts, common_name, years) &&
                PEM_write_bio_X509(bio, certificate) == 1 &&
                certificate_take_pem(bio, certificate_out) && certificate_digest(certificate, id);

    OPENSSL_cleanse(&parts, sizeof(parts));
    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}

bool certificate_make_request(
    const char *key_text, const char *common_name, struct iotify_buffer *out)
{
    EVP_PKEY *key = certificate_parse_key(key_text);
    X509_REQ *request = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = key && request && bio && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
                certificate_add_name(X509_REQ_get_subject_name(request), common_name) &&
                X509_REQ_set_pubkey(request, key) == 1 &&
                X509_REQ_sign(request, key, EVP_sha256()) > 0 &&
                PEM_write_bio_X509_REQ(bio, request) == 1 && certificate_take_pem(bio, out);

    BIO_free(bio);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return good;
}

static bool certificate_digest_key(EVP_PKEY *key, char id[65])
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    int size = key ? i2d_PUBKEY(key, &der) : 0;
    unsigned digest_size = 0;
    bool good =
        size > 0 && EVP_Digest(der, (size_t)size, digest, &digest_size, EVP_sha256(), NULL) == 1;

    id[0] = '\0';
    if (good)
        iotify_hex_encode(digest, 32, id);
    OPENSSL_free(der);
    return good;
}

bool certificate_key_id(const char *text, char id[65])
{
    X509 *certificate = certificate_parse(text);
    bool good = certificate_digest_key(certificate ? X509_get0_pubkey(certificate) : NULL, id);

    X509_free(certificate);
    return good;
}

bool certificate_public_id(const char *text, char id[65])
{
    EVP_PKEY *key = certificate_parse_key(text);
    bool good = certificate_digest_key(key, id);

    EVP_PKEY_free(key);
    return good;
}
