/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "check.h"
#include "plugins/aws/api/service_quotas.h"
#include "plugins/aws/device/certificate.h"

static struct iotify_buffer key, certificate;
static char made_id[65];

static int set_up(void **state)
{
    (void)state;
    iotify_buffer_init(&key, 100000);
    iotify_buffer_init(&certificate, 100000);
    assert_true(certificate_make("iotify_7", 20, &key, &certificate, made_id));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    iotify_buffer_wipe(&key);
    iotify_buffer_clear(&certificate);
    return 0;
}

static X509 *parse(void)
{
    BIO *bio = BIO_new_mem_buf(certificate.data, (int)certificate.size);
    X509 *parsed = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(parsed);
    return parsed;
}

static void is_a_client_certificate(void **state)
{
    X509 *parsed = parse();
    char name[100];

    (void)state;
    assert_int_equal(X509_verify(parsed, X509_get0_pubkey(parsed)), 1);
    assert_int_equal(X509_check_ca(parsed), 0);
    assert_int_equal(X509_get_extended_key_usage(parsed), XKU_SSL_CLIENT);
    X509_NAME_get_text_by_NID(X509_get_subject_name(parsed), NID_commonName, name, sizeof(name));
    assert_string_equal(name, "iotify_7");
    assert_true(X509_cmp_current_time(X509_get0_notBefore(parsed)) < 0);
    assert_true(X509_cmp_current_time(X509_get0_notAfter(parsed)) > 0);
    X509_free(parsed);
}

static void knows_its_key(void **state)
{
    struct iotify_buffer other;

    (void)state;
    iotify_buffer_init(&other, 100000);
    assert_true(certificate_make_key(&other));
    assert_true(certificate_matches(iotify_buffer_text(&certificate), iotify_buffer_text(&key)));
    assert_false(certificate_matches(iotify_buffer_text(&certificate), iotify_buffer_text(&other)));
    assert_false(certificate_matches("nonsense", iotify_buffer_text(&key)));
    iotify_buffer_wipe(&other);
}

static void its_key_has_an_id(void **state)
{
    char of_certificate[65], of_key[65];
    struct iotify_buffer other;

    (void)state;
    assert_true(certificate_key_id(iotify_buffer_text(&certificate), of_certificate));
    assert_true(certificate_public_id(iotify_buffer_text(&key), of_key));
    assert_string_equal(of_certificate, of_key);
    iotify_buffer_init(&other, 100000);
    assert_true(certificate_make_key(&other));
    assert_true(certificate_public_id(iotify_buffer_text(&other), of_key));
    assert_string_not_equal(of_certificate, of_key);
    assert_false(certificate_public_id("nonsense", of_key));
    assert_false(certificate_key_id("nonsense", of_key));
    iotify_buffer_wipe(&other);
}

static void its_id_is_the_fingerprint(void **state)
{
    X509 *parsed = parse();
    unsigned char digest[32];
    unsigned size;
    char expected[65];

    (void)state;
    X509_digest(parsed, EVP_sha256(), digest, &size);
    for (unsigned i = 0; i < size; i++)
        snprintf(expected + 2 * (size_t)i, 3, "%02x", digest[i]);
    assert_string_equal(made_id, expected);
    X509_free(parsed);
}

static void requests_are_signed(void **state)
{
    struct iotify_buffer request;
    X509_REQ *parsed;
    BIO *bio;

    (void)state;
    iotify_buffer_init(&request, 100000);
    assert_true(certificate_make_request(iotify_buffer_text(&key), "name", &request));
    bio = BIO_new_mem_buf(request.data, (int)request.size);
    parsed = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    assert_non_null(parsed);
    assert_int_equal(X509_REQ_verify(parsed, X509_REQ_get0_pubkey(parsed)), 1);
    X509_REQ_free(parsed);
    BIO_free(bio);
    iotify_buffer_clear(&request);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(is_a_client_certificate), CASE(knows_its_key),
        CASE(its_key_has_an_id), CASE(its_id_is_the_fingerprint), CASE(requests_are_signed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
