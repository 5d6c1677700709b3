#include "sandbox/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY 86400L
#define YEARS 20
/* RSA keys made ahead: one costs a third of a second. */
#define POOL_SIZE 8

struct authority {
    X509 *root, *server;
    EVP_PKEY *root_key, *server_key;
    /* The pool; the lock guards all of it. */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    EVP_PKEY *pool[POOL_SIZE];
    size_t pooled;
    bool started, closing;
};

/* ------------------------------------------------------------------ certificates */

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
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

static X509 *begin(EVP_PKEY *key, const char *common_name)
{
    X509 *certificate = X509_new();

    if (certificate && X509_set_version(certificate, X509_VERSION_3) == 1 &&
        set_serial(certificate) && X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY) &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), DAY * 365 * YEARS) &&
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
            (const unsigned char *)common_name, -1, -1, 0) == 1 &&
        X509_set_pubkey(certificate, key) == 1)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static X509 *make_root(EVP_PKEY *key)
{
    X509 *root = begin(key, "iotify-sandbox root");

    if (root && X509_set_issuer_name(root, X509_get_subject_name(root)) == 1 &&
        add_extension(root, root, NID_basic_constraints, "critical,CA:TRUE") &&
        add_extension(root, root, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(root, root, NID_subject_key_identifier, "hash") &&
        X509_sign(root, key, EVP_sha256()) > 0)
        return root;
    X509_free(root);
    return NULL;
}

/* `names` NULL: a client's certificate. */
static X509 *issue(
    struct authority *authority, EVP_PKEY *key, const char *common_name, const char *names)
{
    X509 *certificate = begin(key, common_name);

    if (certificate &&
        X509_set_issuer_name(certificate, X509_get_subject_name(authority->root)) == 1 &&
        add_extension(certificate, authority->root, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(certificate, authority->root, NID_key_usage, "critical,digitalSignature") &&
        add_extension(
            certificate, authority->root, NID_ext_key_usage, names ? "serverAuth" : "clientAuth") &&
        add_extension(certificate, authority->root, NID_subject_key_identifier, "hash") &&
        add_extension(certificate, authority->root, NID_authority_key_identifier, "keyid") &&
        (!names || add_extension(certificate, authority->root, NID_subject_alt_name, names)) &&
        X509_sign(certificate, authority->root_key, EVP_sha256()) > 0)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static bool take_pem(BIO *bio, struct iotify_buffer *out)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);

    return size > 0 && iotify_buffer_append(out, data, (size_t)size);
}

static bool certificate_pem(X509 *certificate, struct iotify_buffer *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio && PEM_write_bio_X509(bio, certificate) == 1 && take_pem(bio, out);

    BIO_free(bio);
    return good;
}

/* ------------------------------------------------------------------ the root's files */

static FILE *open_new(const char *path, int mode)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    return descriptor < 0 ? NULL : fdopen(descriptor, "w");
}

static bool load(struct authority *authority, const char *certificate, const char *key)
{
    FILE *certificate_file = fopen(certificate, "re"), *key_file = fopen(key, "re");

    if (certificate_file && key_file) {
        authority->root = PEM_read_X509(certificate_file, NULL, NULL, NULL);
        authority->root_key = PEM_read_PrivateKey(key_file, NULL, NULL, NULL);
    }
    if (certificate_file)
        fclose(certificate_file);
    if (key_file)
        fclose(key_file);
    ERR_clear_error();
    return authority->root && authority->root_key &&
           X509_check_private_key(authority->root, authority->root_key) == 1;
}

static bool save(const struct authority *authority, const char *certificate, const char *key)
{
    FILE *key_file = open_new(key, 0600), *certificate_file = open_new(certificate, 0644);
    bool good =
        key_file && certificate_file &&
        PEM_write_PrivateKey(key_file, authority->root_key, NULL, NULL, 0, NULL, NULL) == 1 &&
        PEM_write_X509(certificate_file, authority->root) == 1;

    if (key_file)
        good = fclose(key_file) == 0 && good;
    if (certificate_file)
        good = fclose(certificate_file) == 0 && good;
    return good;
}

/* ------------------------------------------------------------------ the pool of keys */

static void *fill_pool(void *argument)
{
    struct authority *authority = argument;

    pthread_mutex_lock(&authority->mutex);
    while (!authority->closing) {
        EVP_PKEY *key;

        if (authority->pooled == POOL_SIZE) {
            pthread_cond_wait(&authority->changed, &authority->mutex);
            continue;
        }
        pthread_mutex_unlock(&authority->mutex);
        key = EVP_RSA_gen(2048);
        pthread_mutex_lock(&authority->mutex);
        if (key && authority->pooled < POOL_SIZE)
            authority->pool[authority->pooled++] = key;
        else
            EVP_PKEY_free(key);
    }
    pthread_mutex_unlock(&authority->mutex);
    return NULL;
}

/* The pool is filled from the first time that a key was asked for. */
static EVP_PKEY *take_key(struct authority *authority)
{
    EVP_PKEY *key = NULL;

    pthread_mutex_lock(&authority->mutex);
    if (!authority->started)
        authority->started = pthread_create(&authority->thread, NULL, fill_pool, authority) == 0;
    if (authority->pooled)
        key = authority->pool[--authority->pooled];
    pthread_cond_signal(&authority->changed);
    pthread_mutex_unlock(&authority->mutex);
    return key ? key : EVP_RSA_gen(2048);
}

/* ------------------------------------------------------------------ life */

struct authority *authority_open(const char *folder)
{
    static const char names[] = "DNS:localhost,IP:127.0.0.1,IP:::1";
    struct authority *authority = calloc(1, sizeof(*authority));
    char certificate[4096], key[4096];

    if (!authority)
        return NULL;
    pthread_mutex_init(&authority->mutex, NULL);
    pthread_cond_init(&authority->changed, NULL);
    snprintf(certificate, sizeof(certificate), "%s/ca.pem", folder);
    snprintf(key, sizeof(key), "%s/ca.key", folder);
    if (!load(authority, certificate, key)) {
        X509_free(authority->root);
        EVP_PKEY_free(authority->root_key);
        authority->root_key = EVP_EC_gen("P-256");
        authority->root = authority->root_key ? make_root(authority->root_key) : NULL;
        if (!authority->root || !save(authority, certificate, key)) {
            fprintf(stderr, "iotify-sandbox: cannot make the root certificate %s: %s\n",
                certificate, strerror(errno));
            authority_close(authority);
            return NULL;
        }
    }
    authority->server_key = EVP_EC_gen("P-256");
    if (authority->server_key)
        authority->server = issue(authority, authority->server_key, "localhost", names);
    if (!authority->server) {
        fprintf(stderr, "iotify-sandbox: cannot make the server's certificate\n");
        authority_close(authority);
        return NULL;
    }
    return authority;
}

void authority_close(struct authority *authority)
{
    if (!authority)
        return;
    pthread_mutex_lock(&authority->mutex);
    authority->closing = true;
    pthread_cond_signal(&authority->changed);
    pthread_mutex_unlock(&authority->mutex);
    if (authority->started)
        pthread_join(authority->thread, NULL);
    for (size_t i = 0; i < authority->pooled; i++)
        EVP_PKEY_free(authority->pool[i]);
    pthread_cond_destroy(&authority->changed);
    pthread_mutex_destroy(&authority->mutex);
    X509_free(authority->root);
    X509_free(authority->server);
    EVP_PKEY_free(authority->root_key);
    EVP_PKEY_free(authority->server_key);
    free(authority);
}

bool authority_use(const struct authority *authority, SSL_CTX *context)
{
    return SSL_CTX_use_certificate(context, authority->server) == 1 &&
           SSL_CTX_use_PrivateKey(context, authority->server_key) == 1;
}

/* ------------------------------------------------------------------ what the API asks for */

bool authority_sign_request(
    struct authority *authority, const char *text, struct iotify_buffer *out)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509_REQ *request = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = request ? X509_REQ_get0_pubkey(request) : NULL;
    X509 *certificate = NULL;
    bool good;

    if (key && X509_REQ_verify(request, key) == 1)
        certificate = issue(authority, key, "AWS IoT Certificate", NULL);
    good = certificate && certificate_pem(certificate, out);
    X509_free(certificate);
    X509_REQ_free(request);
    BIO_free(bio);
    ERR_clear_error();
    return good;
}

bool authority_make(struct authority *authority, struct iotify_buffer *private_key,
    struct iotify_buffer *public_key, struct iotify_buffer *out)
{
    EVP_PKEY *key = take_key(authority);
    X509 *certificate = key ? issue(authority, key, "AWS IoT Certificate", NULL) : NULL;
    BIO *private_bio = BIO_new(BIO_s_mem()), *public_bio = BIO_new(BIO_s_mem());
    bool good =
        certificate && private_bio && public_bio && certificate_pem(certificate, out) &&
        PEM_write_bio_PrivateKey_traditional(private_bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
        take_pem(private_bio, private_key) && PEM_write_bio_PUBKEY(public_bio, key) == 1 &&
        take_pem(public_bio, public_key);

    BIO_free(private_bio);
    BIO_free(public_bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}

void authority_fingerprint(const X509 *certificate, char id[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    id[0] = '\0';
    if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1)
        return;
    for (unsigned i = 0; i < 32; i++) {
        id[2 * i] = digits[digest[i] >> 4];
        id[2 * i + 1] = digits[digest[i] & 15];
    }
    id[64] = '\0';
}

bool authority_check(const char *text, char id[65])
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
    char group[32] = "";
    bool good = false;

    if (key && EVP_PKEY_is_a(key, "RSA"))
        good = EVP_PKEY_get_bits(key) >= 2048;
    else if (key && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1)
        good = strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0;
    if (good)
        authority_fingerprint(certificate, id);
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
    return good;
}
