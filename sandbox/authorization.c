/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/authorization.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugins/aws/policy/policy.h"

#define RESOURCE_MAX 1024

/* A parsed policy document, shared by all sessions. Documents never change: the row is the key. */
struct authorization_parsed {
    json_int_t row;        /* of policy_versions */
    struct policy *policy; /* NULL: the document is not valid */
    size_t users;
    struct authorization_parsed *next;
};

struct authorization_changed {
    char certificate[65];
    struct authorization_changed *next;
};

struct authorization {
    struct state *state;
    void (*notify)(void *argument);
    void *argument;
    atomic_uint_fast64_t version;
    pthread_mutex_t mutex; /* guards the two lists below */
    struct authorization_changed *first, **last;
    struct authorization_parsed *cache;
};

struct authorization_grants {
    struct authorization *authorization;
    bool active, attached;
    char id[65], client_id[256], source_ip[64];
    char thing[130]; /* "": none */
    char certificate_arn[200];
    char arn[200]; /* "arn:aws:iot:region:account:", from the certificate's ARN */
    char *type;
    json_t *attributes;
    X509 *certificate;
    struct authorization_parsed **policies;
    size_t count;
    char now[24]; /* seconds since 1970; "" until a policy reads the time */
    char *value;  /* of the last certificate variable */
};

/* ------------------------------------------------------------------ changes */

static void authorization_on_parted(void *argument, const char *principal)
{
    const char *id = principal ? strrchr(principal, '/') : NULL;

    authorization_changed(argument, id ? id + 1 : "");
}

struct authorization *authorization_new(
    struct state *state, void (*notify)(void *argument), void *argument)
{
    struct authorization *authorization = calloc(1, sizeof(*authorization));

    if (!authorization)
        abort();
    authorization->state = state;
    authorization->notify = notify;
    authorization->argument = argument;
    authorization->last = &authorization->first;
    atomic_init(&authorization->version, 1);
    pthread_mutex_init(&authorization->mutex, NULL);
    state_on_parted(state, authorization_on_parted, authorization);
    return authorization;
}

void authorization_free(struct authorization *authorization)
{
    char certificate[65];

    if (!authorization)
        return;
    state_on_parted(authorization->state, NULL, NULL);
    while (authorization_next_changed(authorization, certificate))
        continue;
    while (authorization->cache) {
        struct authorization_parsed *parsed = authorization->cache;

        authorization->cache = parsed->next;
        policy_free(parsed->policy);
        free(parsed);
    }
    pthread_mutex_destroy(&authorization->mutex);
    free(authorization);
}

void authorization_changed(struct authorization *authorization, const char *certificate)
{
    struct authorization_changed *changed = *certificate ? calloc(1, sizeof(*changed)) : NULL;

    atomic_fetch_add(&authorization->version, 1);
    if (!changed)
        return;
    memcpy(changed->certificate, certificate, strnlen(certificate, 64));
    pthread_mutex_lock(&authorization->mutex);
    *authorization->last = changed;
    authorization->last = &changed->next;
    pthread_mutex_unlock(&authorization->mutex);
    authorization->notify(authorization->argument);
}

uint64_t authorization_version(const struct authorization *authorization)
{
    return atomic_load(&authorization->version);
}

bool authorization_next_changed(struct authorization *authorization, char certificate[65])
{
    struct authorization_changed *changed;

    pthread_mutex_lock(&authorization->mutex);
    changed = authorization->first;
    if (changed) {
        authorization->first = changed->next;
        if (!authorization->first)
            authorization->last = &authorization->first;
    }
    pthread_mutex_unlock(&authorization->mutex);
    if (!changed)
        return false;
    memcpy(certificate, changed->certificate, sizeof(changed->certificate));
    free(changed);
    return true;
}

/* ------------------------------------------------------------------ loading */

static struct authorization_parsed *authorization_use_policy(
    struct authorization *authorization, json_int_t row, const char *document)
{
    struct authorization_parsed *parsed;
    char why[128];

    pthread_mutex_lock(&authorization->mutex);
    parsed = authorization->cache;
    while (parsed && parsed->row != row)
        parsed = parsed->next;
    if (!parsed) {
        parsed = calloc(1, sizeof(*parsed));
        if (!parsed)
            abort();
        parsed->row = row;
        parsed->policy = policy_parse(document, why, sizeof(why));
        parsed->next = authorization->cache;
        authorization->cache = parsed;
    }
    parsed->users++;
    pthread_mutex_unlock(&authorization->mutex);
    return parsed;
}

/* Frees the document with its last user. */
static void authorization_release_policy(
    struct authorization *authorization, struct authorization_parsed *parsed)
{
    struct authorization_parsed **link = &authorization->cache;

    pthread_mutex_lock(&authorization->mutex);
    if (--parsed->users == 0) {
        while (*link != parsed)
            link = &(*link)->next;
        *link = parsed->next;
        policy_free(parsed->policy);
        free(parsed);
    }
    pthread_mutex_unlock(&authorization->mutex);
}

static const char *authorization_text_of(const json_t *row, const char *column)
{
    const char *text = json_string_value(json_object_get(row, column));

    return text ? text : "";
}

static void authorization_load_certificate(struct authorization_grants *grants)
{
    json_t *rows = state_select(grants->authorization->state,
        "SELECT arn, status FROM certificates WHERE id = ?1", STATE_WITH(grants->id));
    const char *arn = authorization_text_of(json_array_get(rows, 0), "arn");
    const char *end = strstr(arn, ":cert/");

    grants->active =
        strcmp(authorization_text_of(json_array_get(rows, 0), "status"), "ACTIVE") == 0;
    snprintf(grants->certificate_arn, sizeof(grants->certificate_arn), "%s", arn);
    if (end && (size_t)(end - arn) + 2 < sizeof(grants->arn))
        snprintf(grants->arn, sizeof(grants->arn), "%.*s", (int)(end - arn) + 1, arn);
    json_decref(rows);
}

/* The one thing of an exclusive certificate; else the one named like the client, if attached. */
static void authorization_load_thing(struct authorization_grants *grants)
{
    json_t *rows = state_select(grants->authorization->state,
        "SELECT t.name, t.type, t.attributes FROM things t"
        " JOIN thing_principals p ON p.thing = t.name"
        " WHERE p.principal = ?2 AND (t.name = ?1 OR p.type = 'EXCLUSIVE_THING')",
        STATE_WITH(grants->client_id, grants->certificate_arn));

    grants->attached = json_array_size(rows) > 0;
    if (grants->attached) {
        snprintf(grants->thing, sizeof(grants->thing), "%s",
            authorization_text_of(json_array_get(rows, 0), "name"));
        grants->type = strdup(authorization_text_of(json_array_get(rows, 0), "type"));
        grants->attributes =
            json_loads(authorization_text_of(json_array_get(rows, 0), "attributes"), 0, NULL);
    }
    json_decref(rows);
}

/* The policies of the certificate, and of the groups of its thing and their ancestors. */
static void authorization_load_policies(struct authorization_grants *grants)
{
    json_t *rows = state_select(grants->authorization->state,
        "WITH RECURSIVE groups (name) AS (SELECT thing_group FROM group_things WHERE thing = ?2"
        " UNION SELECT p.parent FROM thing_groups p JOIN groups b ON p.name = b.name"
        "  WHERE p.parent <> '')"
        " SELECT DISTINCT v.id, v.document FROM policy_targets t"
        " JOIN policies p ON p.name = t.policy"
        " JOIN policy_versions v ON v.policy = p.name AND v.version = p.default_version"
        " WHERE t.target = ?1 OR t.target IN (SELECT arn FROM thing_groups WHERE name IN groups)",
        STATE_WITH(grants->certificate_arn, grants->thing));

    grants->policies = calloc(json_array_size(rows) + 1, sizeof(*grants->policies));
    if (!grants->policies)
        abort();
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        grants->policies[grants->count++] = authorization_use_policy(grants->authorization,
            json_integer_value(json_object_get(row, "id")), authorization_text_of(row, "document"));
    }
    json_decref(rows);
}

struct authorization_grants *authorization_load(struct authorization *authorization,
    const X509 *certificate, const char *id, const char *client_id, const char *source_ip)
{
    struct authorization_grants *grants = calloc(1, sizeof(*grants));

    if (!grants)
        abort();
    grants->authorization = authorization;
    snprintf(grants->id, sizeof(grants->id), "%s", id);
    snprintf(grants->client_id, sizeof(grants->client_id), "%s", client_id);
    snprintf(grants->source_ip, sizeof(grants->source_ip), "%s", source_ip);
    grants->certificate = (X509 *)certificate;
    X509_up_ref(grants->certificate);
    state_begin(authorization->state);
    authorization_load_certificate(grants);
    if (grants->active) {
        authorization_load_thing(grants);
        authorization_load_policies(grants);
    }
    state_end(authorization->state, true);
    return grants;
}

void authorization_grants_free(struct authorization_grants *grants)
{
    if (!grants)
        return;
    for (size_t i = 0; i < grants->count; i++)
        authorization_release_policy(grants->authorization, grants->policies[i]);
    free(grants->policies);
    json_decref(grants->attributes);
    X509_free(grants->certificate);
    free(grants->type);
    free(grants->value);
    free(grants);
}

bool authorization_grants_active(const struct authorization_grants *grants)
{
    return grants->active;
}

bool authorization_grants_depend_on_time(const struct authorization_grants *grants)
{
    return *grants->now;
}

/* ------------------------------------------------------------------ variables */

/* An attribute of a distinguished name; `value` owns the text. */
static const char *authorization_name_part(
    struct authorization_grants *grants, X509_NAME *name, const char *part)
{
    static const struct {
        const char *variable;
        int nid;
    } parts[] = {{"CommonName", NID_commonName}, {"Country", NID_countryName},
        {"Organization", NID_organizationName}, {"OrganizationalUnit", NID_organizationalUnitName},
        {"State", NID_stateOrProvinceName}, {"Locality", NID_localityName}, {"Title", NID_title},
        {"Surname", NID_surname}, {"GivenName", NID_givenName}, {"Initials", NID_initials},
        {"Pseudonym", NID_pseudonym}, {"SerialNumber", NID_serialNumber},
        {"DistinguishedNameQualifier", NID_dnQualifier},
        {"GenerationQualifier", NID_generationQualifier}};
    unsigned char *text = NULL;
    int at = -1, size;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strcmp(parts[i].variable, part) == 0)
            at = X509_NAME_get_index_by_NID(name, parts[i].nid, -1);
    if (at < 0)
        return NULL;
    size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size < 0)
        return NULL;
    free(grants->value);
    /* No policy can match a name that contains NUL. */
    grants->value = memchr(text, 0, (size_t)size) ? NULL : strdup((char *)text);
    OPENSSL_free(text);
    return grants->value;
}

static const char *authorization_certificate_variable(
    struct authorization_grants *grants, const char *name)
{
    if (strncmp(name, "Subject.", 8) == 0)
        return authorization_name_part(
            grants, X509_get_subject_name(grants->certificate), name + 8);
    if (strncmp(name, "Issuer.", 7) == 0)
        return authorization_name_part(grants, X509_get_issuer_name(grants->certificate), name + 7);
    if (strcmp(name, "SerialNumber") == 0) {
        BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(grants->certificate), NULL);
        char *text = number ? BN_bn2hex(number) : NULL;

        free(grants->value);
        grants->value = text ? strdup(text) : NULL;
        OPENSSL_free(text);
        BN_free(number);
        return grants->value;
    }
    return NULL;
}

/* "Attributes[name]" */
static const char *authorization_attribute(
    const struct authorization_grants *grants, const char *name)
{
    char key[160];
    size_t length = strcspn(name, "]");

    if (length >= sizeof(key) || strcmp(name + length, "]") != 0)
        return NULL;
    memcpy(key, name, length);
    key[length] = '\0';
    return json_string_value(json_object_get(grants->attributes, key));
}

static const char *authorization_thing_variable(
    const struct authorization_grants *grants, const char *name)
{
    if (strcmp(name, "IsAttached") == 0)
        return grants->attached ? "true" : "false";
    if (!grants->attached)
        return NULL;
    if (strcmp(name, "ThingName") == 0)
        return grants->thing;
    if (strcmp(name, "ThingTypeName") == 0)
        return grants->type && *grants->type ? grants->type : NULL;
    if (strncmp(name, "Attributes[", 11) == 0)
        return authorization_attribute(grants, name + 11);
    return NULL;
}

static const char *authorization_variable(void *argument, const char *name)
{
    static const char thing[] = "iot:Connection.Thing.", certificate[] = "iot:Certificate.";
    struct authorization_grants *grants = argument;

    if (strncasecmp(name, thing, strlen(thing)) == 0)
        return authorization_thing_variable(grants, name + strlen(thing));
    if (strncasecmp(name, certificate, strlen(certificate)) == 0)
        return authorization_certificate_variable(grants, name + strlen(certificate));
    if (strcasecmp(name, "iot:ClientId") == 0)
        return *grants->client_id ? grants->client_id : NULL;
    if (strcasecmp(name, "iot:CertificateId") == 0)
        return grants->id;
    if (strcasecmp(name, "iot:DomainName") == 0)
        return "localhost";
    if (strcasecmp(name, "aws:SecureTransport") == 0)
        return "true";
    if (strcasecmp(name, "aws:CurrentTime") == 0 || strcasecmp(name, "aws:EpochTime") == 0) {
        snprintf(grants->now, sizeof(grants->now), "%lld", (long long)time(NULL));
        return grants->now;
    }
    if (strcasecmp(name, "aws:SourceIp") == 0)
        return *grants->source_ip ? grants->source_ip : NULL;
    return NULL;
}

bool authorization_grants_allow(const struct authorization_grants *grants, const char *action,
    const char *kind, const char *name)
{
    const struct policy_context context = {authorization_variable, (void *)grants};
    char resource[RESOURCE_MAX];
    bool allowed = false;

    if (!grants->active || snprintf(resource, sizeof(resource), "%s%s/%s", grants->arn, kind,
                               name) >= (int)sizeof(resource))
        return false;
    for (size_t i = 0; i < grants->count; i++) {
        enum policy_verdict verdict =
            grants->policies[i]->policy
                ? policy_evaluate(grants->policies[i]->policy, action, resource, &context)
                : POLICY_SILENT;

        if (verdict == POLICY_DENIES)
            return false;
        allowed = allowed || verdict == POLICY_ALLOWS;
    }
    return allowed;
}
