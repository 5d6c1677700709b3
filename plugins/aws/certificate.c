#include "plugins/aws/certificate.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#define DAY 86400L

/* ------------------------------------------------------------------ PEM */

static bool take_pem(BIO *bio, struct iotify_buffer *out)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    bool good = size > 0 && iotify_buffer_append(out, data, (size_t)size);

    if (size > 0)
        OPENSSL_cleanse(data, (size_t)size);
    return good;
}

static EVP_PKEY *parse_key(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, "") : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static X509 *parse_certificate(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return certificate;
}

/* ------------------------------------------------------------------ keys */

static bool write_key(EVP_PKEY *key, struct iotify_buffer *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                take_pem(bio, out);

    BIO_free(bio);
    return good;
}

bool certificate_make_key(struct iotify_buffer *out)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    bool good = key && write_key(key, out);

    EVP_PKEY_free(key);
    return good;
}

bool certificate_matches(const char *certificate_text, const char *key_text)
{
    X509 *certificate = parse_certificate(certificate_text);
    EVP_PKEY *key = parse_key(key_text);
    bool good = certificate && key && X509_check_private_key(certificate, key) == 1;

    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good;
}

/* ------------------------------------------------------------------ certificates */

static bool add_name(X509_NAME *name, const char *common_name)
{
    /* The field holds 64 bytes; a thing's name may be longer, and identifies nothing here. */
    size_t length = strnlen(common_name, 64);

    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
               (int)length, -1, 0) == 1;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool good;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    good = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool set_serial(X509 *certificate)
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

static bool fill_in(X509 *certificate, EVP_PKEY *key, const char *common_name, int years)
{
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), DAY * 365 * years) &&
           add_name(X509_get_subject_name(certificate), common_name) &&
           X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
           X509_set_pubkey(certificate, key) == 1 &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
           add_extension(certificate, NID_ext_key_usage, "clientAuth") &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

static void to_hex(const unsigned char *digest, char id[65])
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < 32; i++) {
        id[2 * i] = digits[digest[i] >> 4];
        id[2 * i + 1] = digits[digest[i] & 15];
    }
    id[64] = '\0';
}

static bool digest_certificate(const X509 *certificate, char id[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    id[0] = '\0';
    if (!certificate || X509_digest(certificate, EVP_sha256(), digest, &size) != 1 || size != 32)
        return false;
    to_hex(digest, id);
    return true;
}

bool certificate_make(const char *common_name, int years, struct iotify_buffer *key_out,
    struct iotify_buffer *certificate_out, char id[65])
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = key && certificate && bio && write_key(key, key_out) &&
                fill_in(certificate, key, common_name, years) &&
                PEM_write_bio_X509(bio, certificate) == 1 && take_pem(bio, certificate_out) &&
                digest_certificate(certificate, id);

    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}

bool certificate_make_request(
    const char *key_text, const char *common_name, struct iotify_buffer *out)
{
    EVP_PKEY *key = parse_key(key_text);
    X509_REQ *request = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = key && request && bio && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
                add_name(X509_REQ_get_subject_name(request), common_name) &&
                X509_REQ_set_pubkey(request, key) == 1 &&
                X509_REQ_sign(request, key, EVP_sha256()) > 0 &&
                PEM_write_bio_X509_REQ(bio, request) == 1 && take_pem(bio, out);

    BIO_free(bio);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return good;
}

bool certificate_id(const char *text, char id[65])
{
    X509 *certificate = parse_certificate(text);
    bool good = digest_certificate(certificate, id);

    X509_free(certificate);
    return good;
}

static bool digest_key(EVP_PKEY *key, char id[65])
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    int size = key ? i2d_PUBKEY(key, &der) : 0;
    unsigned digest_size = 0;
    bool good =
        size > 0 && EVP_Digest(der, (size_t)size, digest, &digest_size, EVP_sha256(), NULL) == 1;

    id[0] = '\0';
    if (good)
        to_hex(digest, id);
    OPENSSL_free(der);
    return good;
}

bool certificate_key_id(const char *text, char id[65])
{
    X509 *certificate = parse_certificate(text);
    bool good = digest_key(certificate ? X509_get0_pubkey(certificate) : NULL, id);

    X509_free(certificate);
    return good;
}

bool certificate_public_id(const char *text, char id[65])
{
    EVP_PKEY *key = parse_key(text);
    bool good = digest_key(key, id);

    EVP_PKEY_free(key);
    return good;
}
