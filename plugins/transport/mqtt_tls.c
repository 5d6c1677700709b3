#include "mqtt_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct mqtt_tls {
    SSL_CTX *context;
    struct mqtt_identity *beginning;
};

/* Index of the identity in an SSL object, and of the mqtt_tls in its context. */
static int identity_index = -1, owner_index = -1;

/* The newest OpenSSL error, in words. */
static const char *openssl_words(void)
{
    unsigned long error = ERR_peek_last_error();
    const char *words = error ? ERR_reason_error_string(error) : NULL;

    return words ? words : "unknown";
}

static void remember(struct mqtt_identity *identity, const char *text, const char *detail)
{
    if (identity && !*identity->failure)
        snprintf(identity->failure, sizeof(identity->failure), "%s%s", text, detail);
}

/* ------------------------------------------------------------------ callbacks of the context */

static bool is_address(const char *name)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* The first moment at which the SSL object is ours to set up. */
static void on_start(SSL *ssl)
{
    struct mqtt_tls *tls = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), owner_index);
    struct mqtt_identity *identity = tls->beginning;

    if (!identity || SSL_get_ex_data(ssl, identity_index))
        return;
    SSL_set_ex_data(ssl, identity_index, identity);
    if (is_address(identity->server_name)) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), identity->server_name);
    } else {
        SSL_set_tlsext_host_name(ssl, identity->server_name);
        X509_VERIFY_PARAM_set1_host(SSL_get0_param(ssl), identity->server_name, 0);
    }
}

static int64_t moment(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* OpenSSL 3.0 has no words for the newer alerts. */
static const char *alert_words(int value)
{
    if ((value & 0xff) == SSL_AD_CERTIFICATE_REQUIRED)
        return "it wants a client certificate; set cert: and key:";
    return SSL_alert_desc_string_long(value);
}

/* Session tickets that come later begin and end something too; the first time is the one. */
static void on_info(const SSL *ssl, int where, int value)
{
    struct mqtt_identity *identity;

    if (where & SSL_CB_HANDSHAKE_START)
        on_start((SSL *)ssl);
    identity = SSL_get_ex_data(ssl, identity_index);
    if (!identity)
        return;
    if ((where & SSL_CB_HANDSHAKE_START) && !identity->started)
        identity->started = moment();
    if ((where & SSL_CB_HANDSHAKE_DONE) && !identity->handshaken) {
        identity->handshaken = true;
        identity->ended = moment();
    }
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && (value >> 8) == SSL3_AL_FATAL)
        remember(identity, "the server ended the TLS handshake: ", alert_words(value));
}

static int on_certificate(SSL *ssl, void *argument)
{
    const struct mqtt_identity *identity = SSL_get_ex_data(ssl, identity_index);

    (void)argument;
    if (!identity || !identity->certificate)
        return 1;
    if (SSL_use_certificate(ssl, identity->certificate) != 1 ||
        SSL_use_PrivateKey(ssl, identity->key) != 1)
        return 0;
    if (identity->chain && SSL_set1_chain(ssl, identity->chain) != 1)
        return 0;
    return 1;
}

static int on_verify(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    int error = X509_STORE_CTX_get_error(store);

    if (!good)
        remember(SSL_get_ex_data(ssl, identity_index),
            "the server's certificate is not trusted: ", X509_verify_cert_error_string(error));
    return good;
}

/* ------------------------------------------------------------------ contexts */

static bool add_roots_text(SSL_CTX *context, const char *text)
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

static enum iotify_result add_roots(struct iotify_call *call, SSL_CTX *context, const char *ca)
{
    const char *bundle = getenv("AWS_CA_BUNDLE");

    if (ca && strstr(ca, "-----BEGIN")) {
        if (!add_roots_text(context, ca))
            return call->host->fail(call, IOTIFY_INVALID, "BadCa", "ca: holds no certificate");
        return IOTIFY_OK;
    }
    if (ca) {
        if (SSL_CTX_load_verify_file(context, ca) != 1)
            return call->host->fail(call, IOTIFY_INVALID, "BadCa",
                "ca: cannot read certificates from %s: %s", ca, openssl_words());
        return IOTIFY_OK;
    }
    SSL_CTX_set_default_verify_paths(context);
    if (bundle && *bundle && SSL_CTX_load_verify_file(context, bundle) != 1)
        return call->host->fail(call, IOTIFY_INVALID, "BadCa",
            "AWS_CA_BUNDLE: cannot read certificates from %s: %s", bundle, openssl_words());
    return IOTIFY_OK;
}

static bool set_alpn(SSL_CTX *context, const char *alpn)
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
        call->host->fail(call, IOTIFY_FAILED, "NoMemory", "out of memory");
        return NULL;
    }
    tls->context = context;
    SSL_CTX_set_ex_data(context, owner_index, tls);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(
        context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, verify ? on_verify : NULL);
    SSL_CTX_set_info_callback(context, on_info);
    SSL_CTX_set_cert_cb(context, on_certificate, NULL);
    if (add_roots(call, context, ca) != IOTIFY_OK) {
        mqtt_tls_free(tls);
        return NULL;
    }
    if (alpn && !set_alpn(context, alpn)) {
        call->host->fail(call, IOTIFY_INVALID, "BadAlpn", "alpn: takes 1 to 255 bytes");
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

/* ------------------------------------------------------------------ identities */

static enum iotify_result load_certificates(
    struct mqtt_identity *identity, struct iotify_call *call, const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *next;

    if (!bio)
        return call->host->fail(call, IOTIFY_FAILED, "NoMemory", "out of memory");
    identity->certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    while (identity->certificate && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        if (!identity->chain)
            identity->chain = sk_X509_new_null();
        if (!identity->chain || sk_X509_push(identity->chain, next) == 0) {
            X509_free(next);
            break;
        }
    }
    BIO_free(bio);
    ERR_clear_error();
    if (!identity->certificate)
        return call->host->fail(
            call, IOTIFY_INVALID, "BadCertificate", "cert: is no PEM certificate");
    return IOTIFY_OK;
}

enum iotify_result mqtt_identity_load(struct mqtt_identity *identity, struct iotify_call *call,
    const char *certificate, const char *key, const char *server_name)
{
    enum iotify_result result = IOTIFY_OK;
    BIO *bio;

    identity->server_name = strdup(server_name);
    if (!identity->server_name)
        return call->host->fail(call, IOTIFY_FAILED, "NoMemory", "out of memory");
    if (!certificate && !key)
        return IOTIFY_OK;
    if (!certificate || !key)
        return call->host->fail(call, IOTIFY_INVALID, "BadCertificate",
            "%s is set and %s is not; a client certificate needs both", key ? "key" : "cert",
            key ? "cert" : "key");
    result = load_certificates(identity, call, certificate);
    if (result != IOTIFY_OK)
        return result;
    bio = BIO_new_mem_buf(key, -1);
    identity->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, "") : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (!identity->key)
        return call->host->fail(
            call, IOTIFY_INVALID, "BadKey", "key: is no PEM private key without a passphrase");
    if (X509_check_private_key(identity->certificate, identity->key) != 1) {
        ERR_clear_error();
        return call->host->fail(
            call, IOTIFY_INVALID, "BadKey", "key: does not belong to the certificate in cert");
    }
    return IOTIFY_OK;
}

void mqtt_identity_clear(struct mqtt_identity *identity)
{
    X509_free(identity->certificate);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    free(identity->server_name);
    *identity = (struct mqtt_identity){0};
}
