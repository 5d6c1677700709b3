/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <iotify/text.h>

#include "sandbox/request.h"

#define DAY 86400L
#define YEARS 20

struct ca {
    X509 *root, *server;
    EVP_PKEY *root_key, *server_key;
    struct key_pool *pool; /* NULL until it is set */
};

/* ------------------------------------------------------------------ certificates */

static bool ca_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool good;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    good = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool ca_set_serial(X509 *certificate)
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

static X509 *ca_begin(EVP_PKEY *key, const char *common_name)
{
    X509 *certificate = X509_new();

    if (certificate && X509_set_version(certificate, X509_VERSION_3) == 1 &&
        ca_set_serial(certificate) && X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY) &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), DAY * 365 * YEARS) &&
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
            (const unsigned char *)common_name, -1, -1, 0) == 1 &&
        X509_set_pubkey(certificate, key) == 1)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static X509 *ca_make_root(EVP_PKEY *key)
{
    X509 *root = ca_begin(key, "iotify-sandbox root");

    if (root && X509_set_issuer_name(root, X509_get_subject_name(root)) == 1 &&
        ca_add_extension(root, root, NID_basic_constraints, "critical,CA:TRUE") &&
        ca_add_extension(root, root, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        ca_add_extension(root, root, NID_subject_key_identifier, "hash") &&
        X509_sign(root, key, EVP_sha256()) > 0)
        return root;
    X509_free(root);
    return NULL;
}

/* A server certificate with these subject alternative names; NULL: a client certificate. */
static X509 *ca_issue(struct ca *ca, EVP_PKEY *key, const char *common_name, const char *names)
{
    X509 *certificate = ca_begin(key, common_name);

    if (certificate && X509_set_issuer_name(certificate, X509_get_subject_name(ca->root)) == 1 &&
        ca_add_extension(certificate, ca->root, NID_basic_constraints, "critical,CA:FALSE") &&
        ca_add_extension(certificate, ca->root, NID_key_usage, "critical,digitalSignature") &&
        ca_add_extension(
            certificate, ca->root, NID_ext_key_usage, names ? "serverAuth" : "clientAuth") &&
        ca_add_extension(certificate, ca->root, NID_subject_key_identifier, "hash") &&
        ca_add_extension(certificate, ca->root, NID_authority_key_identifier, "keyid") &&
        (!names || ca_add_extension(certificate, ca->root, NID_subject_alt_name, names)) &&
        X509_sign(certificate, ca->root_key, EVP_sha256()) > 0)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static bool ca_take_pem(BIO *bio, struct iotify_buffer *out)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);

    return size > 0 && iotify_buffer_append(out, data, (size_t)size);
}

static bool ca_certificate_pem(X509 *certificate, struct iotify_buffer *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio && PEM_write_bio_X509(bio, certificate) == 1 && ca_take_pem(bio, out);

    BIO_free(bio);
    return good;
}

/* ------------------------------------------------------------------ the root's files */

static FILE *ca_open_new(const char *path, int mode)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    return descriptor < 0 ? NULL : fdopen(descriptor, "w");
}

static bool ca_load(struct ca *ca, const char *certificate, const char *key)
{
    FILE *certificate_file = fopen(certificate, "re"), *key_file = fopen(key, "re");

    if (certificate_file && key_file) {
        ca->root = PEM_read_X509(certificate_file, NULL, NULL, NULL);
        ca->root_key = PEM_read_PrivateKey(key_file, NULL, NULL, NULL);
    }
    if (certificate_file)
        fclose(certificate_file);
    if (key_file)
        fclose(key_file);
    ERR_clear_error();
    return ca->root && ca->root_key && X509_check_private_key(ca->root, ca->root_key) == 1;
}

static bool ca_save(const struct ca *ca, const char *certificate, const char *key)
{
    FILE *key_file = ca_open_new(key, 0600), *certificate_file = ca_open_new(certificate, 0644);
    bool good = key_file && certificate_file &&
                PEM_write_PrivateKey(key_file, ca->root_key, NULL, NULL, 0, NULL, NULL) == 1 &&
                PEM_write_X509(certificate_file, ca->root) == 1;

    if (key_file)
        good = fclose(key_file) == 0 && good;
    if (certificate_file)
        good = fclose(certificate_file) == 0 && good;
    return good;
}

/* ------------------------------------------------------------------ life */

struct ca *ca_open(const char *folder)
{
    static const char names[] = "DNS:localhost,IP:127.0.0.1,IP:::1";
    struct ca *ca = calloc(1, sizeof(*ca));
    char certificate[4096], key[4096];

    if (!ca)
        return NULL;
    snprintf(certificate, sizeof(certificate), "%s/ca.pem", folder);
    snprintf(key, sizeof(key), "%s/ca.key", folder);
    if (!ca_load(ca, certificate, key)) {
        X509_free(ca->root);
        EVP_PKEY_free(ca->root_key);
        ca->root_key = EVP_EC_gen("P-256");
        ca->root = ca->root_key ? ca_make_root(ca->root_key) : NULL;
        if (!ca->root || !ca_save(ca, certificate, key)) {
            fprintf(stderr, "iotify-sandbox: cannot make the root certificate %s: %s\n",
                certificate, strerror(errno));
            ca_close(ca);
            return NULL;
        }
    }
    ca->server_key = EVP_EC_gen("P-256");
    if (ca->server_key)
        ca->server = ca_issue(ca, ca->server_key, "localhost", names);
    if (!ca->server) {
        fprintf(stderr, "iotify-sandbox: cannot make the server's certificate\n");
        ca_close(ca);
        return NULL;
    }
    return ca;
}

void ca_close(struct ca *ca)
{
    if (!ca)
        return;
    X509_free(ca->root);
    X509_free(ca->server);
    EVP_PKEY_free(ca->root_key);
    EVP_PKEY_free(ca->server_key);
    free(ca);
}

void ca_set_pool(struct ca *ca, struct key_pool *pool)
{
    ca->pool = pool;
}

bool ca_use(const struct ca *ca, SSL_CTX *context)
{
    return SSL_CTX_use_certificate(context, ca->server) == 1 &&
           SSL_CTX_use_PrivateKey(context, ca->server_key) == 1;
}

/* ------------------------------------------------------------------ device certificates */

/* The keys that AWS IoT accepts for devices: RSA from 2048 bits on, and three curves. */
static bool ca_key_accepted(EVP_PKEY *key)
{
    static const char *const groups[] = {"prime256v1", "secp384r1", "secp521r1"};
    char group[32] = "";

    if (!key)
        return false;
    if (EVP_PKEY_is_a(key, "RSA"))
        return EVP_PKEY_get_bits(key) >= 2048;
    if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
        return false;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        if (strcmp(groups[i], group) == 0)
            return true;
    return false;
}

bool ca_sign_request(struct ca *ca, const char *text, struct iotify_buffer *out)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509_REQ *request = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = request ? X509_REQ_get0_pubkey(request) : NULL;
    X509 *certificate = NULL;
    bool good;

    if (ca_key_accepted(key) && X509_REQ_verify(request, key) == 1)
        certificate = ca_issue(ca, key, "AWS IoT Certificate", NULL);
    good = certificate && ca_certificate_pem(certificate, out);
    X509_free(certificate);
    X509_REQ_free(request);
    BIO_free(bio);
    ERR_clear_error();
    return good;
}

bool ca_make(struct ca *ca, struct iotify_buffer *private_key, struct iotify_buffer *public_key,
    struct iotify_buffer *out)
{
    EVP_PKEY *key = ca->pool ? key_pool_take(ca->pool) : EVP_RSA_gen(2048);
    X509 *certificate = key ? ca_issue(ca, key, "AWS IoT Certificate", NULL) : NULL;
    BIO *private_bio = BIO_new(BIO_s_mem()), *public_bio = BIO_new(BIO_s_mem());
    bool good =
        certificate && private_bio && public_bio && ca_certificate_pem(certificate, out) &&
        PEM_write_bio_PrivateKey_traditional(private_bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
        ca_take_pem(private_bio, private_key) && PEM_write_bio_PUBKEY(public_bio, key) == 1 &&
        ca_take_pem(public_bio, public_key);

    BIO_free(private_bio);
    BIO_free(public_bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}

void ca_fingerprint(const X509 *certificate, char id[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    id[0] = '\0';
    if (X509_digest(certificate, EVP_sha256(), digest, &size) == 1)
        iotify_hex_encode(digest, 32, id);
}

/* Milliseconds since 1970. */
static int64_t ca_moment_of(const ASN1_TIME *time)
{
    struct tm parts;

    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) * 1000 : 0;
}

bool ca_check(const char *text, struct ca_certificate *facts)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool good = certificate && ca_key_accepted(X509_get0_pubkey(certificate)) &&
                X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;

    if (good) {
        ca_fingerprint(certificate, facts->id);
        facts->not_before = ca_moment_of(X509_get0_notBefore(certificate));
        facts->not_after = ca_moment_of(X509_get0_notAfter(certificate));
    }
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
    return good;
}
