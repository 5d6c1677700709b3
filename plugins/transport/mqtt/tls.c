/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/transport/mqtt/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* How long, in nanoseconds, a verified server certificate is not verified again. */
#define VERIFIED_FOR (600 * INT64_C(1000000000))

struct mqtt_tls {
    SSL_CTX *context;
    struct mqtt_identity *beginning;
    /* The server certificate that was verified last; most sessions get the same one. */
    unsigned char *verified;
    int verified_size;
    const char *verified_name;
    int64_t verified_until;
};

/* Index of the identity in an SSL object, and of the mqtt_tls in an SSL_CTX. */
static int identity_index = -1, owner_index = -1;

/* The text of the newest OpenSSL error. */
static const char *tls_openssl_words(void)
{
    unsigned long error = ERR_peek_last_error();
    const char *words = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error))
                        : error                 ? ERR_reason_error_string(error)
                                                : NULL;
    return words ? words : "unknown";
}

/* ------------------------------------------------------------------ callbacks of the context */

static bool tls_is_address(const char *name)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Set up the SSL object that libmosquitto created. The first callback with access to it. */
static void tls_on_start(SSL *ssl)
{
    struct mqtt_tls *tls = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), owner_index);
    struct mqtt_identity *identity = tls->beginning;

    if (!identity || SSL_get_ex_data(ssl, identity_index))
        return;
    SSL_set_ex_data(ssl, identity_index, identity);
    if (identity->session)
        SSL_set_session(ssl, identity->session);
    if (tls_is_address(identity->server_name)) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), identity->server_name);
    } else {
        SSL_set_tlsext_host_name(ssl, identity->server_name);
        X509_VERIFY_PARAM_set1_host(SSL_get0_param(ssl), identity->server_name, 0);
    }
}

static int64_t tls_moment(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* The text of an alert. OpenSSL 3.0 has none for the newer alerts. */
static const char *tls_alert_words(int value)
{
    if ((value & 0xff) == SSL_AD_CERTIFICATE_REQUIRED)
        return "the broker requires a client certificate; set cert: and key:";
    return SSL_alert_desc_string_long(value);
}

/* Later session tickets also report start and end of a handshake: only the first counts. */
static void tls_on_info(const SSL *ssl, int where, int value)
{
    struct mqtt_identity *identity;

    if (where & SSL_CB_HANDSHAKE_START)
        tls_on_start((SSL *)ssl);
    identity = SSL_get_ex_data(ssl, identity_index);
    if (!identity)
        return;
    if ((where & SSL_CB_HANDSHAKE_START) && !identity->started)
        identity->started = tls_moment();
    if ((where & SSL_CB_HANDSHAKE_DONE) && !identity->handshaken) {
        identity->handshaken = true;
        identity->resumed = SSL_session_reused(ssl) == 1;
        identity->ended = tls_moment();
    }
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && (value >> 8) == SSL3_AL_FATAL)
        mqtt_identity_blame(
            identity, "the server ended the TLS handshake: ", tls_alert_words(value));
}

static int tls_on_certificate(SSL *ssl, void *argument)
{
    struct mqtt_identity *identity = SSL_get_ex_data(ssl, identity_index);

    (void)argument;
    if (!identity || !mqtt_identity_has_certificate(identity))
        return 1;
    if (!mqtt_identity_decode(identity) || SSL_use_certificate(ssl, identity->certificate) != 1 ||
        SSL_use_PrivateKey(ssl, identity->key) != 1)
        return 0;
    if (identity->chain && SSL_set1_chain(ssl, identity->chain) != 1)
        return 0;
    return 1;
}

static int tls_on_verify(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    int error = X509_STORE_CTX_get_error(store);

    if (!good)
        mqtt_identity_blame(SSL_get_ex_data(ssl, identity_index),
            "the server's certificate is not trusted: ", X509_verify_cert_error_string(error));
    return good;
}

static bool tls_is_verified(
    const struct mqtt_tls *tls, const char *name, const unsigned char *der, int size)
{
    return tls->verified && tls_moment() < tls->verified_until && tls->verified_name == name &&
           tls->verified_size == size && memcmp(tls->verified, der, (size_t)size) == 0;
}

/* Replaces OpenSSL's verification: does the same, but not again for each session. */
static int tls_on_chain(X509_STORE_CTX *store, void *argument)
{
    struct mqtt_tls *tls = argument;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct mqtt_identity *identity = SSL_get_ex_data(ssl, identity_index);
    unsigned char *der = NULL;
    int size = i2d_X509(X509_STORE_CTX_get0_cert(store), &der), good;

    if (size > 0 && identity && tls_is_verified(tls, identity->server_name, der, size)) {
        OPENSSL_free(der);
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    good = X509_verify_cert(store);
    if (good == 1 && size > 0 && identity) {
        OPENSSL_free(tls->verified);
        tls->verified = der;
        tls->verified_size = size;
        tls->verified_name = identity->server_name;
        tls->verified_until = tls_moment() + VERIFIED_FOR;
    } else {
        OPENSSL_free(der);
    }
    return good;
}

/* Keep the newest session ticket for an abbreviated handshake. */
static int tls_on_session(SSL *ssl, SSL_SESSION *session)
{
    struct mqtt_identity *identity = SSL_get_ex_data(ssl, identity_index);

    if (!identity)
        return 0;
    mqtt_identity_forget_session(identity);
    identity->session = session;
    return 1;
}

/* ------------------------------------------------------------------ contexts */

static bool tls_add_roots_text(SSL_CTX *context, const char *text)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *root;
    int count = 0;

    while (bio && (root = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        count += X509_STORE_add_cert(store, root);
        X509_free(root);
    }
    BIO_free(bio);
    ERR_clear_error();
    return count > 0;
}

/* Returns an error text, or NULL on success. Opening a FIFO would block without a writer. */
static const char *tls_load_roots(SSL_CTX *context, const char *path)
{
    struct stat status;

    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return "it is not a regular file";
    return SSL_CTX_load_verify_file(context, path) == 1 ? NULL : tls_openssl_words();
}

static enum iotify_result tls_add_roots(struct iotify_call *call, SSL_CTX *context, const char *ca)
{
    const char *bundle = getenv("AWS_CA_BUNDLE"), *wrong;

    if (ca && strstr(ca, "-----BEGIN")) {
        if (!tls_add_roots_text(context, ca))
            return call->host->fail(
                call, IOTIFY_RESULT_INVALID, "BadCa", "ca: holds no certificate");
        return IOTIFY_RESULT_OK;
    }
    if (ca) {
        wrong = tls_load_roots(context, ca);
        if (wrong)
            return call->host->fail(call, IOTIFY_RESULT_INVALID, "BadCa",
                "ca: cannot read certificates from %s: %s", ca, wrong);
        return IOTIFY_RESULT_OK;
    }
    SSL_CTX_set_default_verify_paths(context);
    wrong = bundle && *bundle ? tls_load_roots(context, bundle) : NULL;
    if (wrong)
        return call->host->fail(call, IOTIFY_RESULT_INVALID, "BadCa",
            "AWS_CA_BUNDLE: cannot read certificates from %s: %s", bundle, wrong);
    return IOTIFY_RESULT_OK;
}

static bool tls_set_alpn(SSL_CTX *context, const char *alpn)
{
    unsigned char wire[256];
    size_t length = strlen(alpn);

    if (length == 0 || length > 255)
        return false;
    wire[0] = (unsigned char)length;
    memcpy(wire + 1, alpn, length);
    return SSL_CTX_set_alpn_protos(context, wire, (unsigned)length + 1) == 0;
}

void mqtt_tls_init(void)
{
    if (identity_index >= 0)
        return;
    identity_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    owner_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

struct mqtt_tls *mqtt_tls_new(
    struct iotify_call *call, const char *ca, bool verify, const char *alpn)
{
    struct mqtt_tls *tls = calloc(1, sizeof(*tls));
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (!tls || !context) {
        free(tls);
        SSL_CTX_free(context);
        call->host->fail(call, IOTIFY_RESULT_FAILED, "NoMemory", "out of memory");
        return NULL;
    }
    tls->context = context;
    SSL_CTX_set_ex_data(context, owner_index, tls);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(
        context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, verify ? tls_on_verify : NULL);
    if (verify)
        SSL_CTX_set_cert_verify_callback(context, tls_on_chain, tls);
    SSL_CTX_set_session_cache_mode(
        context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, tls_on_session);
    SSL_CTX_set_info_callback(context, tls_on_info);
    SSL_CTX_set_cert_cb(context, tls_on_certificate, NULL);
    if (tls_add_roots(call, context, ca) != IOTIFY_RESULT_OK) {
        mqtt_tls_free(tls);
        return NULL;
    }
    if (alpn && !tls_set_alpn(context, alpn)) {
        call->host->fail(call, IOTIFY_RESULT_INVALID, "BadAlpn", "alpn: takes 1 to 255 bytes");
        mqtt_tls_free(tls);
        return NULL;
    }
    return tls;
}

void mqtt_tls_free(struct mqtt_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    OPENSSL_free(tls->verified);
    free(tls);
}

SSL_CTX *mqtt_tls_context(struct mqtt_tls *tls)
{
    return tls->context;
}

void mqtt_tls_begin(struct mqtt_tls *tls, struct mqtt_identity *identity)
{
    tls->beginning = identity;
}

void mqtt_tls_settle(SSL *ssl, struct mqtt_identity *identity)
{
    SSL_certs_clear(ssl);
    /* Session tickets leave a buffer allocated that SSL_MODE_RELEASE_BUFFERS does not free. */
    SSL_free_buffers(ssl);
    mqtt_identity_rest(identity);
}
