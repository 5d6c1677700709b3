/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session between a client and a broker, as chunks: one byte (top bit: from the broker; the rest:
 * the number of bytes that follow) and those bytes.
 */
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/ca.h"
#include "sandbox/session.h"
#include "tests/fuzz/world.h"

#define STREAM_MAX (512 * 1024)

static struct session_world world;
static X509 *certificate;
static char id[65];

/* A certificate with a policy that allows some actions and denies others. */
static char *make_certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *out = BIO_new(BIO_s_mem());
    char *text;

    certificate = X509_new();
    if (!key || !out || !certificate)
        abort();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    PEM_write_bio_X509(out, certificate);
    if (BIO_write(out, "", 1) != 1)
        abort();
    BIO_get_mem_data(out, &text);
    text = strdup(text);
    BIO_free(out);
    EVP_PKEY_free(key);
    return text;
}

static json_t *call(const char *method, const char *target, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT);
    struct response response;

    if (!world_call(method, target, text, strlen(text), &response) || response.error)
        abort();
    free(text);
    json_decref(body);
    return response.body;
}

static void open_world(void)
{
    static const char document[] =
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"iot:*\","
        "\"Resource\":\"*\"},{\"Effect\":\"Deny\",\"Action\":[\"iot:Publish\",\"iot:Subscribe\"],"
        "\"Resource\":\"arn:aws:iot:eu-central-1:123456789012:*/no*\"}]}";
    char *pem = make_certificate();
    json_t *answer;

    world.authorization = authorization_new(world_state(), NULL, NULL);
    world.quotas = quotas_new();
    world.faults = faults_new(1);
    ca_fingerprint(certificate, id);
    answer = call("POST", "/certificate/register-no-ca",
        json_pack("{s:s, s:s}", "certificatePem", pem, "status", "ACTIVE"));
    json_decref(call("POST", "/policies/p", json_pack("{s:s}", "policyDocument", document)));
    json_decref(call("PUT", "/target-policies/p",
        json_pack("{s:O}", "target", json_object_get(answer, "certificateArn"))));
    json_decref(answer);
    free(pem);
}

/* The session forwards only complete packets. */
static void check_packets(const struct iotify_buffer *out)
{
    struct mqtt_packet packet;

    for (size_t at = 0; at < out->size; at += packet.size)
        if (mqtt_find((const uint8_t *)out->data + at, out->size - at, STREAM_MAX, &packet) !=
            MQTT_PACKET)
            abort();
}

/* False: the session has ended. */
static bool feed(struct session *session, struct iotify_buffer *from, bool client,
    struct iotify_buffer *to_broker, struct iotify_buffer *to_client)
{
    struct mqtt_packet packet;
    enum session_next next = SESSION_CONTINUES;
    enum mqtt_found found;
    size_t at = 0;

    while (next == SESSION_CONTINUES &&
           (found = mqtt_find((const uint8_t *)from->data + at, from->size - at, SESSION_PACKET_MAX,
                &packet)) != MQTT_INCOMPLETE) {
        if (found != MQTT_PACKET) {
            session_bad_packet(session, found == MQTT_TOO_LARGE, to_client);
            return false;
        }
        next = client ? session_from_client(session, &packet, to_broker, to_client)
                      : session_from_broker(session, &packet, to_broker, to_client);
        at += packet.size;
    }
    memmove(from->data, from->data + at, from->size - at);
    from->size -= at;
    return next == SESSION_CONTINUES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct iotify_buffer
        streams[4]; /* from the client, from the broker, to the broker, to the client */
    struct session *session;
    bool goes_on = true;

    if (!world.authorization)
        open_world();
    session = session_new(&world, certificate, id, "127.0.0.1");
    for (size_t i = 0; i < 4; i++) {
        iotify_buffer_init(&streams[i], STREAM_MAX);
        iotify_buffer_append(&streams[i], "", 0);
    }
    while (size > 1 && goes_on) {
        bool client = !(data[0] & 0x80);
        size_t length = data[0] & 0x7f;

        length = length < size - 1 ? length : size - 1;
        if (length && iotify_buffer_append(&streams[client ? 0 : 1], data + 1, length))
            goes_on = feed(session, &streams[client ? 0 : 1], client, &streams[2], &streams[3]);
        data += length + 1;
        size -= length + 1;
    }
    check_packets(&streams[2]);
    check_packets(&streams[3]);
    session_free(session);
    for (size_t i = 0; i < 4; i++)
        iotify_buffer_clear(&streams[i]);
    return 0;
}
